"""Applies one stored event: what it hints at becomes what the books know."""

from __future__ import annotations

import json

from service.aggregates.contradiction import NotOurs
from service.domain.unit import EventEnd, UnitOfWork
from service.events.event import Event, call_of
from service.events.table import OF_CONNECTED, OF_PLATFORM
from service.runtime import Runtime
from service.store.commit import Overtaken
from service.store.stripe_events import StoredEvent
from service.stripe.objects.values import Object, Unreadable


async def apply_stripe_event(runtime: Runtime, event: StoredEvent) -> str:
    """Books what an event shows and ends it, in one commit. Answers what became of it: "processed",
    "not_acted_on", or "not_ours" when another product in the same Stripe account caused it.

    Raises:
        Unmatched, Unreadable, Contradiction: see there; the event is set aside, not lost.
    """
    handle = (OF_CONNECTED if event.account else OF_PLATFORM).get(event.type)
    if handle is None:
        await _ignore(runtime, event, "not a type that is acted on")
        return "not_acted_on"
    carried = Event(event, _object_of(json.loads(event.payload)), event.occurred_at)
    try:
        await handle(runtime, carried)
    except NotOurs as foreign:
        await _ignore(runtime, event, f"not ours: {foreign}")
        return "not_ours"
    return "processed"


def _object_of(body: Object) -> Object:
    """The object of a snapshot event, or what a thin event names."""
    data = body.get("data")
    carried = data.get("object") if isinstance(data, dict) else body.get("related_object")
    if not isinstance(carried, dict):
        raise Unreadable("it carries no object")
    return carried


async def _ignore(runtime: Runtime, event: StoredEvent, reason: str) -> None:
    unit = UnitOfWork(call_of(event), "ignore_stripe_event", b"", runtime.clock())
    unit.event_end = EventEnd(event.event_id, "IGNORED", reason)
    unit.note = event.type
    try:
        await runtime.commit(unit)
    except Overtaken:
        return  # another worker, to whom a lease that ran out went, has ended it already
