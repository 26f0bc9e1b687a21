"""Why something waits: for whom, and what each party may do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from escrow.v1 import operator_service_pb2 as operator_pb
from service.domain import ids
from service.domain.call import Party
from service.domain.records.effect import Effect
from service.operations.operators.messages import effect_message
from service.store.unreadable import Unreadable

_OPERATOR = str(Party.OPERATOR)


@dataclass(frozen=True, slots=True)
class Wait:
    """``may``: a party, and what it may cause now, in the words of the tables of states or of the
    command line.
    """

    subject: str
    waits_for: str
    may: Mapping[str, Sequence[str]] = field(default_factory=dict)


def wait_of_effect(effect: operator_pb.Effect) -> Wait:
    """A call to Stripe that is open."""
    commands = ["effects retry"]
    if effect.needs_person:
        commands += ["effects settle", "effects reject"]
    problem = f" ({effect.problem})" if effect.problem else ""
    return Wait(effect.id, f"{effect.waiting_for}{problem}", {_OPERATOR: commands})


def unreadable(public_id: str) -> Wait:
    """A row that cannot be shown."""
    return Wait(
        public_id, "an operator: a row of it cannot be read", {_OPERATOR: ["escrow verify"]}
    )


def effects_and_waits(
    found: Iterable[Effect | Unreadable[UUID]],
) -> tuple[list[operator_pb.Effect], list[Wait]]:
    """The open calls that can be shown, and what each of all waits for."""
    shown: list[operator_pb.Effect] = []
    waits: list[Wait] = []
    for effect in found:
        if isinstance(effect, Unreadable):
            waits.append(unreadable(ids.show(ids.EFFECT, effect.key)))
        else:
            shown.append(effect_message(effect))
            waits.append(wait_of_effect(shown[-1]))
    return shown, waits


def wait_of_event(event: operator_pb.StripeEvent) -> Wait:
    """An event of Stripe that has not been applied."""
    if event.needs_person:
        commands = ["events retry", "events dismiss"]
        return Wait(event.id, f"an operator: set aside, {event.reason}", {_OPERATOR: commands})
    return Wait(event.id, event.reason or "its turn", {_OPERATOR: ["events retry"]})
