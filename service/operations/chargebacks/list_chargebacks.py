"""Lists chargebacks, newest first."""

from __future__ import annotations

from escrow.v1 import chargeback_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.domain.states.chargeback import ChargebackState
from service.operations.chargebacks.messages import chargeback_message
from service.operations.listing import (
    BY_CREATE_TIME,
    BY_CURRENCY,
    Fields,
    by_amount,
    by_flag,
    by_id,
    by_name,
    by_text,
    by_time,
    list_rows,
)
from service.runtime import Runtime
from service.store.chargebacks import CHARGEBACKS

FIELDS: Fields = {
    "escrow_id": by_id("escrow_id", ids.ESCROW),
    "payment_id": by_id("payment_id", ids.PAYMENT),
    "payee_id": by_id("payee_id", ids.PAYEE),
    "state": by_name("state", ChargebackState, "CHARGEBACK_STATE_"),
    "currency": BY_CURRENCY,
    "stripe_dispute": by_text("stripe_dispute"),
    "unsettled": by_flag("unsettled"),
    "amount_minor": by_amount("amount_minor"),
    "due_time": by_time("due_by"),
    "create_time": BY_CREATE_TIME,
}


async def list_chargebacks(
    runtime: Runtime, call: Call, request: pb.ListChargebacksRequest
) -> pb.ListChargebacksResponse:
    """Raises InvalidField: the filter or the page token is not one of ours."""
    page = await list_rows(
        runtime,
        call,
        request,
        CHARGEBACKS,
        FIELDS,
        key_of=lambda known: known.chargeback_id,
        show=chargeback_message,
        prefix=ids.CHARGEBACK,
    )
    return pb.ListChargebacksResponse(
        chargebacks=page.items, next_page_token=page.next_page_token, unreadable=page.unreadable
    )
