"""Lists a payee's payouts, newest first."""

from __future__ import annotations

from uuid import UUID

from escrow.v1.party_service_pb2 import ListPayoutsRequest, ListPayoutsResponse
from service.domain import ids
from service.domain.call import Call
from service.operations.paging import cursor_of, next_page_token, page_limit
from service.operations.payouts.messages import payout_message
from service.runtime import Runtime
from service.store.parties import find_payouts


async def list_payouts(
    runtime: Runtime, call: Call, request: ListPayoutsRequest
) -> ListPayoutsResponse:
    limit = page_limit(request.page_size, usual=50, most=200)
    cursor = cursor_of(request.page_token, request.payee_id, UUID)
    payouts = await find_payouts(
        runtime.pool,
        call.tenant_id,
        ids.parse(request.payee_id),
        before=cursor,
        limit=limit + 1,
    )
    page = payouts[:limit]
    token = ""
    if len(payouts) > limit:
        token = next_page_token(page[-1].payout_id.hex, request.payee_id)
    return ListPayoutsResponse(
        payouts=[payout_message(payout) for payout in page], next_page_token=token
    )
