"""What every handler of an event works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from service.aggregates.contradiction import Contradiction
from service.domain.call import Call, Party
from service.domain.unit import EventEnd, UnitOfWork
from service.runtime import Runtime, rerun
from service.store.commit import StripeObjectTaken
from service.store.operations import Answered
from service.store.stripe_events import StoredEvent
from service.stripe.objects.values import Object
from service.tracing import traceparent


class Unmatched(Exception):
    """The event is about an object that we do not know (yet): it is parked, then shown."""


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event with the object that it carries, as it was at ``seen_at``."""

    stored: StoredEvent
    object: Object
    seen_at: datetime


Handler = Callable[[Runtime, Event], Awaitable[None]]
"""Books what an event shows and ends it, in one commit.

Raises:
    NotOurs: the event is ignored.
    Unmatched, Unreadable, Contradiction: see there; the event is set aside, not lost.
"""


def call_of(event: StoredEvent) -> Call:
    return Call(event.tenant_id, "stripe", Party.STRIPE, event.event_id, traceparent())


async def change(
    runtime: Runtime, event: StoredEvent, story: Callable[[UnitOfWork], Awaitable[None]]
) -> None:
    """Runs an event's story and ends the event in the same commit; a second time does nothing."""

    async def whole(unit: UnitOfWork) -> None:
        unit.event_end = EventEnd(event.event_id, "PROCESSED")
        unit.note = event.type
        await story(unit)
        await runtime.commit(unit)

    try:
        await rerun(runtime, call_of(event), "apply_stripe_event", whole)
    except Answered:
        return
    except StripeObjectTaken as taken:
        raise Contradiction(
            "it names an object of Stripe that another record of ours has"
        ) from taken
