"""Lists what happened in a tenant, oldest first."""

from __future__ import annotations

from escrow.v1.event_service_pb2 import ListEventsRequest, ListEventsResponse
from service.domain import ids
from service.domain.call import Call
from service.operations.feed.cursors import place_of, show_cursor
from service.operations.feed.reading import read_events
from service.operations.feed.types import chosen_types
from service.operations.paging import page_limit
from service.runtime import Runtime


async def list_events(
    runtime: Runtime, call: Call, request: ListEventsRequest
) -> ListEventsResponse:
    """Raises InvalidField, CursorLost."""
    page = await read_events(
        runtime,
        call.tenant_id,
        await place_of(runtime, call.tenant_id, request.after),
        limit=page_limit(request.page_size, usual=100, most=500),
        types=chosen_types(request.types),
        escrow_id=ids.parse(request.escrow_id) if request.escrow_id else None,
    )
    cursor = show_cursor(call.tenant_id, page.through)
    return ListEventsResponse(events=page.events, cursor=cursor, at_end=page.at_end)
