"""Why something waits: for whom, and what each party may do about it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from escrow.v1 import operator_service_pb2 as operator_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.domain import ids
from service.domain.blocker import Blocker, Rule
from service.domain.call import Party
from service.domain.records.effect import Effect
from service.domain.records.receivable import REVERSED_AT_STRIPE
from service.operations.operators.messages import effect_message
from service.store.unreadable import Unreadable

_OPERATOR = Party.OPERATOR


def wait_of_effect(effect: operator_pb.Effect) -> Blocker:
    """A call to Stripe that is open."""
    methods = ["RetryEffect"]
    if effect.needs_person:
        methods += ["SettleEffect", "RejectEffect"]
    problem = f" ({effect.problem})" if effect.problem else ""
    said = f"{effect.waiting_for}{problem}"
    return Blocker(effect.id, said, Rule.STRIPE_CALL, {_OPERATOR: methods})


def unreadable(public_id: str) -> Blocker:
    """A row that cannot be shown."""
    return Blocker(public_id, "an operator: a row of it cannot be read (escrow verify)")


def effects_and_waits(
    found: Iterable[Effect | Unreadable[UUID]],
) -> tuple[list[operator_pb.Effect], list[Blocker]]:
    """The open calls that can be shown, and what each of all waits for."""
    shown: list[operator_pb.Effect] = []
    waits: list[Blocker] = []
    for effect in found:
        if isinstance(effect, Unreadable):
            waits.append(unreadable(ids.show(ids.EFFECT, effect.key)))
        else:
            shown.append(effect_message(effect))
            waits.append(wait_of_effect(shown[-1]))
    return shown, waits


def wait_of_receivable(debt: refund_pb.Receivable) -> Blocker:
    """What a payee owes, or is giving back at this moment."""
    if debt.state == refund_pb.RECEIVABLE_STATE_REVERSING:
        return Blocker(debt.id, "Stripe to reverse the payee's transfer", Rule.DEBT)
    if debt.refusal_code == REVERSED_AT_STRIPE:
        says = "an operator: their transfer was reversed at Stripe, and nobody has said what for"
        methods = ["AdoptReversal", "WriteOffReceivable"]
        return Blocker(debt.id, says, Rule.DEBT, {_OPERATOR: methods})
    again = f", asked again {debt.retry_time.ToJsonString()}" if debt.HasField("retry_time") else ""
    why = f" ({debt.refusal_code})" if debt.refusal_code else ""
    netted = "" if debt.converted else ", or what they get next"
    return Blocker(
        debt.id,
        f"the payee: their account at Stripe{again}{why}{netted}",
        Rule.DEBT,
        {_OPERATOR: ["WriteOffReceivable"]},
    )


def wait_of_suspense(item: operator_pb.SuspenseItem) -> Blocker:
    """Money that nothing waits for."""
    if item.payment_id:
        methods = ["ApplySuspense", "RefundSuspense"]
        said = "an operator: money that nothing waits for"
        return Blocker(item.payment_id, said, Rule.SUSPENSE, {_OPERATOR: methods})
    said = "an operator: moved at Stripe, and nobody has said what for"
    adopts = ["AdoptRefund", "AdoptReversal"]
    return Blocker(item.account, said, Rule.SUSPENSE, {_OPERATOR: adopts})


def wait_of_event(event: operator_pb.StripeEvent) -> Blocker:
    """An event of Stripe that has not been applied."""
    if event.needs_person:
        methods = ["RetryStripeEvent", "DismissStripeEvent"]
        said = f"an operator: set aside, {event.reason}"
        return Blocker(event.id, said, Rule.STRIPE_EVENT, {_OPERATOR: methods})
    said = event.reason or "its turn"
    return Blocker(event.id, said, Rule.STRIPE_EVENT, {_OPERATOR: ["RetryStripeEvent"]})
