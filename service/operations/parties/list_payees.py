"""Lists payees, newest first, without their balances."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import ListPayeesRequest, ListPayeesResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.states.payee import PayeeState
from service.operations.listing import BY_CREATE_TIME, Fields, by_name, by_text, list_rows
from service.operations.parties.messages import payee_message
from service.runtime import Runtime
from service.store.lists import PAYEES

FIELDS: Fields = {
    "reference": by_text("reference"),
    "email": by_text("email"),
    "state": by_name("state", PayeeState, "PAYEE_STATE_"),
    "country": by_text("country"),
    "stripe_account": by_text("stripe_account"),
    "create_time": BY_CREATE_TIME,
}


async def list_payees(
    runtime: Runtime, call: Call, request: ListPayeesRequest
) -> ListPayeesResponse:
    """Raises InvalidField: the filter or the page token is not one of ours."""
    page = await list_rows(
        runtime,
        call,
        request,
        PAYEES,
        FIELDS,
        key_of=lambda payee: payee.payee_id,
        show=payee_message,
        prefix=ids.PAYEE,
    )
    return ListPayeesResponse(
        payees=page.items, next_page_token=page.next_page_token, unreadable=page.unreadable
    )
