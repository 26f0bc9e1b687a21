"""What Stripe shows of a dispute becomes the chargeback's record, and freezes or gives free."""

from __future__ import annotations

from service.aggregates.chargeback_money import book_dispute
from service.aggregates.chargeback_settled import load_settled, take_back, under_way
from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import EscrowCase
from service.aggregates.evidence_time import keep_evidence_time
from service.aggregates.freeze import Cause, freeze_and_hold_back, lift_source, threatened_part
from service.domain.records.chargeback import Chargeback
from service.domain.records.freeze import FreezeReason
from service.domain.records.payment import Payment
from service.domain.states.chargeback import (
    CHARGEBACK_OVER,
    CHARGEBACK_SEEN,
    ChargebackState,
)
from service.runtime import Runtime
from service.stripe.objects.dispute import SeenDispute


async def observe_dispute(
    runtime: Runtime, case: EscrowCase, payment: Payment, seen: SeenDispute, *, fact: str = ""
) -> None:
    """Writes down what Stripe shows, unless it has said something newer, and freezes what is
    threatened, or gives it free.

    ``fact`` is the balance transaction that took the money, where that is what we heard of.

    Raises:
        Contradiction: the dispute was of another payment before.
    """
    ours = seen.payment_intent == payment.stripe_payment_intent
    recorded = any(each.stripe_dispute == seen.id for each in case.records.chargebacks)
    if not ours and not recorded and payment.stripe_payment_intent:
        await _observe_claim(runtime, case, payment, seen, fact)
        return
    known = _written(case, payment, seen)
    if ours:  # else it is not known yet whether the charge only claims to be
        await book_dispute(runtime, case, known, seen)
    if known.gives_free:
        await load_settled(runtime, case, known)
        if known.is_unsettled and not under_way(case, known):  # else an operator does it
            take_back(case, known)
        lift_source(case, payment.payment_id, known.stripe_dispute)
    elif amount_minor := known.threatens_minor(payment):
        fact = known.fact if known.settled_at else fact or known.fact
        cause = Cause(FreezeReason.CHARGEBACK, known.stripe_dispute, fact)
        await freeze_and_hold_back(runtime, case, payment, amount_minor, cause)


async def _observe_claim(
    runtime: Runtime, case: EscrowCase, payment: Payment, seen: SeenDispute, fact: str
) -> None:
    """A dispute of a charge that only claims to be of the payment. Its money is nobody's, so that
    there is nothing to answer or to settle; it freezes until it is over, or an operator lifts it.
    """
    if seen.state in CHARGEBACK_OVER and (seen.reinstated_minor or not seen.withdrawn_minor):
        lift_source(case, payment.payment_id, seen.id)
        return
    disputed_minor = threatened_part(payment, seen.amount_minor, seen.currency)
    cause = Cause(FreezeReason.CHARGEBACK, seen.id, fact or str(seen.state))
    await freeze_and_hold_back(
        runtime, case, payment, disputed_minor or payment.amount_minor, cause
    )


def observe_answer(case: EscrowCase, known: Chargeback, seen: SeenDispute) -> None:
    """Writes down where a dispute is, as Stripe answers to evidence. What moved money meanwhile is
    left to who books it.
    """
    if seen.movements == known.movements and not seen.is_older_than(known):
        _update(case, known, case.payment(known.payment_id), seen)


def _written(case: EscrowCase, payment: Payment, seen: SeenDispute) -> Chargeback:
    known = next((c for c in case.records.chargebacks if c.stripe_dispute == seen.id), None)
    if known is None:
        return _add(case, payment, seen)
    if known.payment_id != payment.payment_id:
        raise Contradiction(f"{seen.id} is of another payment than it was")
    if not seen.is_older_than(known):
        _update(case, known, payment, seen)
    return known


def _add(case: EscrowCase, payment: Payment, seen: SeenDispute) -> Chargeback:
    unit = case.unit
    case.touch()
    added = Chargeback(
        tenant_id=payment.tenant_id,
        chargeback_id=unit.new_id(),
        escrow_id=case.escrow.escrow_id,
        payment_id=payment.payment_id,
        state=seen.state,
        stripe_dispute=seen.id,
        amount_minor=0,
        currency=payment.currency,
        reason=seen.reason,
        opened_at=seen.opened_at,
        created_at=unit.now,
        updated_at=unit.now,
        lost_at=unit.now if seen.state is ChargebackState.LOST else None,
    )
    _take_over(added, payment, seen)
    case.records.chargebacks.append(added)
    unit.create(added)
    keep_evidence_time(case, added)
    return added


def _update(case: EscrowCase, known: Chargeback, payment: Payment, seen: SeenDispute) -> None:
    if not _take_over(known, payment, seen) and known.state is seen.state:
        return  # nothing is new
    case.touch()
    case.unit.put(known)
    if known.state is not seen.state:
        known.openings += known.is_over and seen.state not in CHARGEBACK_OVER
        case.unit.advance(known, CHARGEBACK_SEEN[seen.state])
        if known.state is ChargebackState.LOST:
            known.lost_at = case.unit.now
    keep_evidence_time(case, known)


def _take_over(known: Chargeback, payment: Payment, seen: SeenDispute) -> bool:
    """Whether anything but the state has changed."""
    disputed_minor = threatened_part(payment, seen.amount_minor, seen.currency)
    shown = {
        "amount_minor": disputed_minor,
        "lost_minor": seen.gone_of(disputed_minor, payment.currency),
        "reason": seen.reason,
        "due_by": seen.due_by or known.due_by,
        "settled_currency": seen.settled_currency,
        "withdrawn_minor": seen.withdrawn_minor,
        "reinstated_minor": seen.reinstated_minor,
        "fee_minor": seen.fee_minor,
        "movements": seen.movements,
        "submissions": seen.submissions,
        "is_appeal": seen.is_appeal or known.is_appeal,
    }
    changed = {name: value for name, value in shown.items() if getattr(known, name) != value}
    for name, value in changed.items():
        setattr(known, name, value)
    return bool(changed)
