"""Lists payers, newest first."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import ListPayersRequest, ListPayersResponse
from service.domain import ids
from service.domain.call import Call
from service.operations.listing import BY_CREATE_TIME, Fields, by_text, list_rows
from service.operations.parties.messages import payer_message
from service.runtime import Runtime
from service.store.lists import PAYERS

FIELDS: Fields = {
    "reference": by_text("reference"),
    "email": by_text("email"),
    "create_time": BY_CREATE_TIME,
}


async def list_payers(
    runtime: Runtime, call: Call, request: ListPayersRequest
) -> ListPayersResponse:
    """Raises InvalidField: the filter or the page token is not one of ours."""
    page = await list_rows(
        runtime,
        call,
        request,
        PAYERS,
        FIELDS,
        key_of=lambda payer: payer.payer_id,
        show=payer_message,
        prefix=ids.PAYER,
    )
    return ListPayersResponse(
        payers=page.items, next_page_token=page.next_page_token, unreadable=page.unreadable
    )
