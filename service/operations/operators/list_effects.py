"""Lists the calls to Stripe that are open, or refused, newest first."""

from __future__ import annotations

from uuid import UUID

from escrow.v1.operator_service_pb2 import (
    EFFECT_FILTER_NEEDS_PERSON,
    EFFECT_FILTER_REJECTED,
    EFFECT_FILTER_UNSPECIFIED,
    ListEffectsRequest,
    ListEffectsResponse,
)
from service.domain import ids
from service.domain.call import Call
from service.domain.records.effect import Effect
from service.operations.operators.messages import effect_message
from service.operations.paging import cursor_of, fill_page, next_page_token, page_limit
from service.runtime import Runtime
from service.store.open_effects import list_effects_of
from service.store.unreadable import Unreadable

LISTS = {
    EFFECT_FILTER_UNSPECIFIED: "open",
    EFFECT_FILTER_NEEDS_PERSON: "needs_person",
    EFFECT_FILTER_REJECTED: "rejected",
}


async def list_effects(
    runtime: Runtime, call: Call, request: ListEffectsRequest
) -> ListEffectsResponse:
    """Raises InvalidField: the page token is not one of ours."""
    question = f"effects {request.filter}"
    which = LISTS[request.filter]

    async def read(after: UUID | None, most: int) -> list[Effect | Unreadable[UUID]]:
        return await list_effects_of(runtime.pool, call.tenant_id, which, before=after, limit=most)

    page = await fill_page(
        read,
        lambda effect: effect.effect_id,
        effect_message,
        after=cursor_of(request.page_token, question, UUID),
        limit=page_limit(request.page_size, usual=50, most=200),
    )
    return ListEffectsResponse(
        effects=page.items,
        next_page_token=next_page_token(page.last.hex, question) if page.last else "",
        unreadable=[ids.show(ids.EFFECT, key) for key in page.unreadable],
    )
