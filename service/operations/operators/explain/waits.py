"""Why something waits: for whom, and what each party may do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from escrow.v1 import operator_service_pb2 as operator_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.domain import ids
from service.domain.call import Party
from service.domain.records.effect import Effect
from service.domain.records.receivable import REVERSED_AT_STRIPE
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


def wait_of_refund(refund: refund_pb.Refund) -> Wait:
    """A refund that is under way, or failed."""
    failed = refund.state == refund_pb.REFUND_STATE_FAILED
    why = f" ({refund.failure_code})" if refund.failure_code else ""
    may = {_OPERATOR: ["refunds resolve"]} if failed else {}
    return Wait(refund.id, f"{refund.waiting_for}{why}", may)


def wait_of_receivable(debt: refund_pb.Receivable) -> Wait:
    """What a payee owes, or is giving back at this moment."""
    if debt.state == refund_pb.RECEIVABLE_STATE_REVERSING:
        return Wait(debt.id, "Stripe to reverse the payee's transfer")
    if debt.refusal_code == REVERSED_AT_STRIPE:
        says = "an operator: their transfer was reversed at Stripe, and nobody has said what for"
        return Wait(debt.id, says, {_OPERATOR: ["reversals adopt", "receivables write-off"]})
    again = f", asked again {debt.retry_time.ToJsonString()}" if debt.HasField("retry_time") else ""
    why = f" ({debt.refusal_code})" if debt.refusal_code else ""
    netted = "" if debt.converted else ", or what they get next"
    return Wait(
        debt.id,
        f"the payee: their account at Stripe{again}{why}{netted}",
        {_OPERATOR: ["receivables write-off"]},
    )


def wait_of_suspense(item: operator_pb.SuspenseItem) -> Wait:
    """Money that nothing waits for."""
    if item.payment_id:
        commands = ["suspense apply", "refunds suspense"]
        says = "an operator: money that nothing waits for"
        return Wait(item.payment_id, says, {_OPERATOR: commands})
    says = "an operator: moved at Stripe, and nobody has said what for"
    return Wait(item.account, says, {_OPERATOR: ["refunds adopt", "reversals adopt"]})


def wait_of_event(event: operator_pb.StripeEvent) -> Wait:
    """An event of Stripe that has not been applied."""
    if event.needs_person:
        commands = ["events retry", "events dismiss"]
        return Wait(event.id, f"an operator: set aside, {event.reason}", {_OPERATOR: commands})
    return Wait(event.id, event.reason or "its turn", {_OPERATOR: ["events retry"]})
