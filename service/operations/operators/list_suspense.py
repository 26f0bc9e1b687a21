"""Lists money that waits for a person, oldest first."""

from __future__ import annotations

from escrow.v1.operator_service_pb2 import ListSuspenseRequest, ListSuspenseResponse
from service.domain.call import Call
from service.operations.operators.list_stripe_events import START, cursor_at
from service.operations.operators.messages import suspense_message
from service.operations.paging import cursor_of, next_page_token, page_limit
from service.runtime import Runtime
from service.store import for_operators

QUESTION = "suspense"


async def list_suspense(
    runtime: Runtime, call: Call, request: ListSuspenseRequest
) -> ListSuspenseResponse:
    """Raises InvalidField: the page token is not one of ours."""
    limit = page_limit(request.page_size, usual=50, most=200)
    found = await for_operators.list_suspense(
        runtime.pool,
        call.tenant_id,
        after=cursor_of(request.page_token, QUESTION, cursor_at) or START,
        limit=limit + 1,
    )
    page, token = found[:limit], ""
    if len(found) > limit:
        token = next_page_token(f"{page[-1].since.isoformat()} {page[-1].account}", QUESTION)
    return ListSuspenseResponse(items=map(suspense_message, page), next_page_token=token)
