"""Lists a payee's payouts, newest first."""

from __future__ import annotations

from uuid import UUID

from escrow.v1.party_service_pb2 import ListPayoutsRequest, ListPayoutsResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.records.payout import Payout
from service.operations.paging import cursor_of, fill_page, next_page_token, page_limit
from service.operations.payouts.messages import payout_message
from service.runtime import Runtime
from service.store.parties import find_payouts
from service.store.unreadable import Unreadable


async def list_payouts(
    runtime: Runtime, call: Call, request: ListPayoutsRequest
) -> ListPayoutsResponse:
    payee_id = ids.parse(request.payee_id)

    async def read(after: UUID | None, most: int) -> list[Payout | Unreadable[UUID]]:
        return await find_payouts(runtime.pool, call.tenant_id, payee_id, before=after, limit=most)

    page = await fill_page(
        read,
        lambda payout: payout.payout_id,
        payout_message,
        after=cursor_of(request.page_token, request.payee_id, UUID),
        limit=page_limit(request.page_size, usual=50, most=200),
    )
    return ListPayoutsResponse(
        payouts=page.items,
        next_page_token=next_page_token(page.last.hex, request.payee_id) if page.last else "",
        unreadable=[ids.show(ids.PAYOUT, key) for key in page.unreadable],
    )
