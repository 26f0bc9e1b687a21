"""Lists what payees owe or owed, newest first."""

from __future__ import annotations

from escrow.v1 import refund_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.domain.states.receivable import ReceivableState
from service.operations.listing import (
    BY_CREATE_TIME,
    BY_CURRENCY,
    Fields,
    by_id,
    by_name,
    list_rows,
)
from service.operations.refunds.messages import receivable_message
from service.runtime import Runtime
from service.store.lists import RECEIVABLES

FIELDS: Fields = {
    "payee_id": by_id("payee_id", ids.PAYEE),
    "escrow_id": by_id("escrow_id", ids.ESCROW),
    "refund_id": by_id("refund_id", ids.REFUND),
    "state": by_name("state", ReceivableState, "RECEIVABLE_STATE_"),
    "currency": BY_CURRENCY,
    "create_time": BY_CREATE_TIME,
}


async def list_receivables(
    runtime: Runtime, call: Call, request: pb.ListReceivablesRequest
) -> pb.ListReceivablesResponse:
    """Raises InvalidField: the filter or the page token is not one of ours."""
    page = await list_rows(
        runtime,
        call,
        request,
        RECEIVABLES,
        FIELDS,
        key_of=lambda debt: debt.receivable_id,
        show=receivable_message,
        prefix=ids.RECEIVABLE,
    )
    return pb.ListReceivablesResponse(
        receivables=page.items, next_page_token=page.next_page_token, unreadable=page.unreadable
    )
