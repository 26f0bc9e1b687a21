"""Lists refunds, newest first."""

from __future__ import annotations

from escrow.v1 import refund_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.domain.states.refund import RefundState
from service.operations.listing import (
    BY_CREATE_TIME,
    BY_CURRENCY,
    Fields,
    by_id,
    by_name,
    list_rows,
)
from service.operations.refunds.messages import refund_message
from service.runtime import Runtime
from service.store.lists import REFUNDS

FIELDS: Fields = {
    "escrow_id": by_id("escrow_id", ids.ESCROW),
    "payment_id": by_id("payment_id", ids.PAYMENT),
    "state": by_name("state", RefundState, "REFUND_STATE_"),
    "currency": BY_CURRENCY,
    "create_time": BY_CREATE_TIME,
}


async def list_refunds(
    runtime: Runtime, call: Call, request: pb.ListRefundsRequest
) -> pb.ListRefundsResponse:
    """What Stripe took in another currency is shown by GetRefund alone.

    Raises:
        InvalidField: the filter or the page token is not one of ours.
    """
    page = await list_rows(
        runtime,
        call,
        request,
        REFUNDS,
        FIELDS,
        key_of=lambda row: row.refund.refund_id,
        show=lambda row: refund_message(row.refund, row.parts, ""),
        prefix=ids.REFUND,
    )
    return pb.ListRefundsResponse(
        refunds=page.items, next_page_token=page.next_page_token, unreadable=page.unreadable
    )
