"""What the repairs of a Stripe event share: it is still where it was, and who asked is kept."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace

from service.aggregates.escrow import open_case
from service.domain.errors import EscrowMissing, WrongState
from service.domain.unit import EventRepair, UnitOfWork
from service.operations.operators.get_stripe_event import read_event
from service.operations.operators.messages import carried_object
from service.runtime import Runtime
from service.store.parties import load_parties
from service.store.stripe_events import InboxEntry
from service.stripe.objects.values import our_id


async def repair_event(
    runtime: Runtime, unit: UnitOfWork, event_id: str, *, of: Collection[str], to: str, reason: str
) -> InboxEntry:
    """Moves an event from one of the states ``of`` to another. It is kept in the timeline of the
    escrow that the event names, if there is one.

    Raises:
        Answered: the same request was done before.
        StripeEventMissing. WrongState: it is in none of these states.
    """
    entry = await read_event(runtime, unit.call, event_id)
    await _load(runtime, unit, entry)
    if entry.state not in of:
        says = (
            f"{event_id} is {entry.state}; only what is {', '.join(sorted(of))} can be made {to}."
        )
        raise WrongState(says, event_id=event_id, state=entry.state)
    unit.event_repair = EventRepair(event_id, entry.state, to, reason, unit.now)
    event = replace(entry.event, attempts=0)
    return InboxEntry(event, to, reason, unit.now)


async def _load(runtime: Runtime, unit: UnitOfWork, entry: InboxEntry) -> None:
    """Whether the operation was done before; with the escrow that the event names."""
    escrow_id = our_id(carried_object(entry.event.payload), "escrow")
    if escrow_id:
        with suppress(EscrowMissing):  # it may name one that is not ours
            (await open_case(runtime, unit, escrow_id)).touch()
    else:
        await load_parties(runtime.pool, unit)
