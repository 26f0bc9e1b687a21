"""Sends what happens in a tenant as it happens, in its order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from escrow.v1.event_service_pb2 import WatchEventsRequest, WatchEventsResponse
from service.domain.call import Call
from service.domain.errors import CursorLost, FieldViolation, InvalidField
from service.operations.feed.cursors import place_of, show_cursor
from service.operations.feed.reading import read_events
from service.operations.feed.types import chosen_types
from service.operations.waiting import changed_number
from service.runtime import Runtime
from service.store.sequence import START, Place, is_place, last_place

MOST = 100  # events of one message
TELLS_PLACE_S = 10.0
"""How often it says how far it is, where much happens and nothing of the types."""


async def watch_events(
    runtime: Runtime, call: Call, request: WatchEventsRequest
) -> AsyncGenerator[WatchEventsResponse, None]:
    """Raises InvalidField, CursorLost."""
    tenant_id, types = call.tenant_id, chosen_types(request.types)
    clock = asyncio.get_running_loop()
    place = await _beginning(runtime, call, request)
    yield WatchEventsResponse(cursor=show_cursor(tenant_id, place))
    told_at = clock.time()
    while True:
        newest = await changed_number(runtime.positions, tenant_id, place.position)
        if newest is not None and newest < place.position:
            raise CursorLost
        while newest is not None and place.position < newest:
            async with runtime.stream_reads:
                page = await read_events(runtime, tenant_id, place, limit=MOST, types=types)
                await _prove(runtime, tenant_id, place)  # afterwards, so that the page follows it
            if page.through == place:
                break  # an operation is gone: `escrow verify` says so
            place = page.through
            # Where none is of the types it goes on from here, should it be cut.
            if page.events or clock.time() - told_at > TELLS_PLACE_S:
                cursor = show_cursor(tenant_id, place)
                yield WatchEventsResponse(events=page.events, cursor=cursor)
                told_at = clock.time()
        if newest is None:
            yield WatchEventsResponse(cursor=show_cursor(tenant_id, place))
            told_at = clock.time()


async def _prove(runtime: Runtime, tenant_id: str, place: Place) -> None:
    """Raises CursorLost: a standby without the last commits took over, and others have their
    positions.
    """
    if not await is_place(runtime.pool, tenant_id, place):
        raise CursorLost


async def _beginning(runtime: Runtime, call: Call, request: WatchEventsRequest) -> Place:
    if request.after and request.from_beginning:
        raise InvalidField(FieldViolation("after", "must be empty to begin at the beginning"))
    if request.after:
        return await place_of(runtime, call.tenant_id, request.after)
    if request.from_beginning:
        return START
    return await last_place(runtime.pool, call.tenant_id)
