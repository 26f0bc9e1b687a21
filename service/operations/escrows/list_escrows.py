"""Lists escrows, newest first."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import ListEscrowsRequest, ListEscrowsResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.states.escrow import EscrowState
from service.operations.escrows.messages import escrow_message
from service.operations.listing import (
    BY_CREATE_TIME,
    BY_CURRENCY,
    Fields,
    by_id,
    by_name,
    by_text,
    list_rows,
)
from service.runtime import Runtime
from service.store.escrows import ESCROWS

FIELDS: Fields = {
    "payer_id": by_id("payer_id", ids.PAYER),
    "payee_id": by_id("payee_id", ids.PAYEE),
    "part_payee_id": by_id("part_payee_id", ids.PAYEE),
    "reference": by_text("reference"),
    "state": by_name("state", EscrowState, "ESCROW_STATE_"),
    "currency": BY_CURRENCY,
    "create_time": BY_CREATE_TIME,
}


async def list_escrows(
    runtime: Runtime, call: Call, request: ListEscrowsRequest
) -> ListEscrowsResponse:
    """Raises InvalidField: the filter or the page token is not one of ours."""
    page = await list_rows(
        runtime,
        call,
        request,
        ESCROWS,
        FIELDS,
        key_of=lambda records: records.escrow.escrow_id,
        show=escrow_message,
        prefix=ids.ESCROW,
    )
    return ListEscrowsResponse(
        escrows=page.items, next_page_token=page.next_page_token, unreadable=page.unreadable
    )
