"""Lists money that waits for a person, oldest first."""

from __future__ import annotations

from escrow.v1.operator_service_pb2 import ListSuspenseRequest, ListSuspenseResponse
from service.domain.call import Call
from service.operations.operators.list_stripe_events import START, cursor_at, cursor_text
from service.operations.operators.messages import suspense_message
from service.operations.paging import cursor_of, fill_page, next_page_token, page_limit
from service.runtime import Runtime
from service.store import suspense
from service.store.suspense import SuspenseItem
from service.store.waiting_since import Since

QUESTION = "suspense"


async def list_suspense(
    runtime: Runtime, call: Call, request: ListSuspenseRequest
) -> ListSuspenseResponse:
    """Raises InvalidField: the page token is not one of ours."""

    async def read(after: Since | None, most: int) -> list[SuspenseItem]:
        return await suspense.list_suspense(
            runtime.pool, call.tenant_id, after=after or START, limit=most
        )

    page = await fill_page(
        read,
        lambda item: (item.since, item.account),
        suspense_message,
        after=cursor_of(request.page_token, QUESTION, cursor_at),
        limit=page_limit(request.page_size, usual=50, most=200),
    )
    return ListSuspenseResponse(
        suspense=page.items,
        next_page_token=next_page_token(cursor_text(page.last), QUESTION) if page.last else "",
        unreadable=[account for _, account in page.unreadable],
    )
