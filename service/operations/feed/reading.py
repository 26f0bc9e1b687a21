"""Reads events in their order, as the messages of the API."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from escrow.v1.event_service_pb2 import Event
from service.domain import ids
from service.operations.escrows.timeline import ChangeWithAmounts, amounts_of, timeline_entry
from service.operations.feed.cursors import show_cursor
from service.operations.paging import fill_page
from service.runtime import Runtime
from service.store.sequence import EventRow, Place, find_events
from service.store.unreadable import Unreadable


class Events(NamedTuple):
    """Events after a place, and the place of the last that was looked at: it may be of none of the
    types that were asked for.
    """

    events: list[Event]
    through: Place
    at_end: bool


class _Read(NamedTuple):
    row: EventRow
    changed: ChangeWithAmounts


async def read_events(
    runtime: Runtime,
    tenant_id: str,
    after: Place,
    *,
    limit: int,
    types: Collection[str] = (),
    escrow_id: UUID | None = None,
) -> Events:
    """At most so many events after a place, of all escrows or of one. A damaged record is an event
    too, of which nothing else can be shown, whatever its type.
    """

    async def read(place: Place | None, most: int) -> list[_Read | Unreadable[Place]]:
        rows = await find_events(
            runtime.pool, tenant_id, place or after, limit=most, escrow_id=escrow_id
        )
        return await _with_amounts(runtime, tenant_id, rows)

    page = await fill_page(
        read,
        lambda each: each.row.place,
        lambda each: _event(tenant_id, each),
        after=after,
        limit=limit,
    )
    damaged = [Event(unreadable=True, **_place(tenant_id, place)) for place in page.unreadable]
    events = sorted((*page.items, *damaged), key=lambda event: event.position)
    through = _place_of(events[-1]) if events else after
    shown = [each for each in events if not types or each.type in types or each.unreadable]
    return Events(shown, through, page.last is None)


async def _with_amounts(
    runtime: Runtime, tenant_id: str, rows: list[EventRow | Unreadable[Place]]
) -> list[_Read | Unreadable[Place]]:
    readable = [row for row in rows if not isinstance(row, Unreadable)]
    escrows = {row.escrow_id for row in readable if row.escrow_id}
    amounts = await amounts_of(runtime, tenant_id, escrows, [row.change for row in readable])
    return [
        row if isinstance(row, Unreadable) else _Read(row, amounts.of(row.escrow_id, row.change))
        for row in rows
    ]


def _event(tenant_id: str, each: _Read) -> Event:
    row = each.row
    return Event(
        type=row.change.operation,
        escrow_id=ids.show(ids.ESCROW, row.escrow_id) if row.escrow_id else "",
        change=timeline_entry(each.changed),
        **_place(tenant_id, row.place),
    )


def _place(tenant_id: str, place: Place) -> dict[str, Any]:
    return {
        "id": ids.show(ids.OPERATION, place.operation_id),
        "cursor": show_cursor(tenant_id, place),
        "position": place.position,
    }


def _place_of(event: Event) -> Place:
    return Place(event.position, ids.parse(event.id))
