"""Lists the calls to Stripe that are open, newest first."""

from __future__ import annotations

from uuid import UUID

from escrow.v1.operator_service_pb2 import (
    EFFECT_FILTER_NEEDS_PERSON,
    ListEffectsRequest,
    ListEffectsResponse,
)
from service.domain.call import Call
from service.operations.operators.messages import effect_message
from service.operations.paging import cursor_of, next_page_token, page_limit
from service.runtime import Runtime
from service.store.for_operators import find_open_effects


async def list_effects(
    runtime: Runtime, call: Call, request: ListEffectsRequest
) -> ListEffectsResponse:
    """Raises InvalidField: the page token is not one of ours."""
    question = f"effects {request.filter}"
    limit = page_limit(request.page_size, usual=50, most=200)
    found = await find_open_effects(
        runtime.pool,
        call.tenant_id,
        needs_person=request.filter == EFFECT_FILTER_NEEDS_PERSON,
        before=cursor_of(request.page_token, question, UUID),
        limit=limit + 1,
    )
    page = found[:limit]
    token = next_page_token(page[-1].effect_id.hex, question) if len(found) > limit else ""
    return ListEffectsResponse(effects=map(effect_message, page), next_page_token=token)
