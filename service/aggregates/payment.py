"""What Stripe shows of a payment, by an event, an answer or a look-up, becomes what the books know.
Seen twice, or in another order, it ends the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import EscrowCase
from service.aggregates.freeze import cover_more
from service.aggregates.release import convert_fees
from service.domain.errors import PaymentMissing
from service.domain.journal import Part, Source
from service.domain.postings import JournalKind
from service.domain.records.balance_transaction import BalanceTransaction
from service.domain.records.escrow import Milestone
from service.domain.records.payment import Payment
from service.domain.states.milestone import MilestoneEvent, MilestoneState
from service.domain.states.payment import (
    PAYMENT,
    PAYMENT_SEEN,
    Failure,
    PaymentEvent,
    PaymentState,
    payment_moves,
)
from service.stripe.objects.payment_intent import PaymentObservation
from service.stripe.outcomes import Rejected


def observe_payment(case: EscrowCase, payment: Payment, seen: PaymentObservation) -> bool:
    """Postings 1 and 2. False when nothing of it is new.

    Raises:
        Contradiction: it names another payment intent, amount or currency than ours.
    """
    check_observation(case, payment, seen)
    news = [
        _name_objects(payment, seen),
        _follow_state(case, payment, seen),
        _settle_charge(case, payment, seen.balance),
    ]
    if not any(news):
        return False
    case.touch()
    case.unit.put(payment)
    return True


def check_observation(case: EscrowCase, payment: Payment, seen: PaymentObservation) -> None:
    """Holds what is shown of a payment against what was asked for and is known.

    Raises:
        Contradiction.
    """
    for name in ("payment_intent", "checkout_session"):
        ours, theirs = getattr(payment, f"stripe_{name}"), getattr(seen, name)
        if ours and theirs and ours != theirs:
            raise Contradiction(f"the payment's {name} is {ours}, not {theirs}")
    _check_asked(case, payment, seen)
    if seen.state is not PaymentState.SUCCEEDED:
        if payment.state is PaymentState.SUCCEEDED and seen.seen_at is None:
            raise Contradiction(f"it is paid here, and {seen.state} at Stripe")
        return
    if payment.state is PaymentState.SUCCEEDED:
        _check_paid(payment, seen)
    if seen.received_minor <= 0:
        raise Contradiction(f"it succeeded, and brought {seen.received_minor} {seen.currency}")
    if not (seen.charge or payment.stripe_charge):
        raise Contradiction("it succeeded without a charge")


def _check_paid(payment: Payment, seen: PaymentObservation) -> None:
    if seen.charge not in (None, payment.stripe_charge):
        raise Contradiction(f"it was paid by {seen.charge}, and we know {payment.stripe_charge}")
    if seen.received_minor != payment.paid_minor:
        raise Contradiction(f"it brought {seen.received_minor}, and we know {payment.paid_minor}")


def _check_asked(case: EscrowCase, payment: Payment, seen: PaymentObservation) -> None:
    """Holds what Stripe shows against what was asked for, whatever the state.

    Our effect's id in the metadata says whose an object is until we know it by its own id. After
    that it counts no more: people edit metadata in the dashboard.
    """
    bound = payment.stripe_payment_intent, payment.stripe_checkout_session
    known = (seen.payment_intent or seen.checkout_session) in bound
    asked: dict[str, tuple[object, object]] = {
        "amount": (payment.amount_minor, seen.amount_minor),
        "currency": (payment.currency, seen.currency),
        "customer": (case.records.payer.stripe_customer, seen.customer),
    }
    if not known:  # the effect that makes a payment has the payment's own id
        asked["effect"] = (payment.payment_id, seen.effect)
        if seen.payment_intent and not seen.checkout_session:
            asked["transfer group"] = (case.escrow.public_id, seen.transfer_group)
    for name, (ours, theirs) in asked.items():
        if ours != theirs:
            raise Contradiction(f"the payment's {name} is {ours}, not {theirs}")


def _name_objects(payment: Payment, seen: PaymentObservation) -> bool:
    before = (payment.stripe_payment_intent, payment.stripe_checkout_session, payment.stripe_charge)
    payment.stripe_payment_intent = payment.stripe_payment_intent or seen.payment_intent
    payment.stripe_checkout_session = payment.stripe_checkout_session or seen.checkout_session
    if seen.charge and payment.state is not PaymentState.SUCCEEDED:
        payment.stripe_charge = seen.charge  # a declined charge is followed by another
    return before != (
        payment.stripe_payment_intent,
        payment.stripe_checkout_session,
        payment.stripe_charge,
    )


def _follow_state(case: EscrowCase, payment: Payment, seen: PaymentObservation) -> bool:
    # What was read just now is the newest there is, also when Stripe's clock is ahead of ours.
    after_events = (payment.observed_at or case.unit.now) + timedelta(microseconds=1)
    seen_at = seen.seen_at or max(case.unit.now, after_events)
    known, failure = _failure_of(payment), _failure_of(seen)
    if not payment_moves(
        payment.state,
        payment.observed_at,
        seen.state,
        seen_at,
        known_failure=known,
        seen_failure=failure,
    ):
        return False
    same = seen.state is payment.state and failure == known
    if same and seen.seen_at is None:
        return False  # an answer that brings nothing new is not worth a write
    payment.observed_at = seen_at
    if same:
        return True
    case.unit.advance(payment, PAYMENT_SEEN[seen.state])
    payment.failure_code, payment.failure_decline_code = (
        seen.failure_code,
        seen.failure_decline_code,
    )
    payment.failure_message = seen.failure_message
    case.touch()
    if payment.state is PaymentState.SUCCEEDED:
        payment.observed_at = _paid_at(case, payment, seen)  # a success is never left
        _fund_milestones(case, payment, seen)
    return True


def _paid_at(case: EscrowCase, payment: Payment, seen: PaymentObservation) -> datetime:
    """Stripe's own time of the success where it is known, else now: an event that comes days late
    lengthens no window and no limit. It was not before we asked for the money, and is not in the
    future, whatever a clock says.
    """
    now = case.unit.now
    return min(max(seen.paid_at or now, payment.created_at), now)


def _failure_of(source: Payment | PaymentObservation) -> Failure:
    texts = (source.failure_code, source.failure_decline_code, source.failure_message)
    return texts[0] or "", texts[1] or "", texts[2] or ""


def _fund_milestones(case: EscrowCase, payment: Payment, seen: PaymentObservation) -> None:
    """Posting 1; what has nothing to fund any more goes to suspense, where it is shown. So does a
    payment that was captured in part: what the milestones cost has not come.
    """
    whole = seen.received_minor == payment.amount_minor
    payment.received_minor = None if whole else seen.received_minor
    source = Source("payment", payment.public_id)
    waiting = [
        m
        for m in case.records.milestones
        if whole and m.payment_id == payment.payment_id and m.state is MilestoneState.AWAITING_FUNDS
    ]
    for milestone in waiting:
        milestone.funded_at = payment.observed_at  # what begins with the state counts from it
        case.advance(milestone, MilestoneEvent.PAYMENT_SUCCEEDED)
        milestone.funded_minor = milestone.amount_minor
    unit, currency, paid_at = case.unit, payment.currency, payment.observed_at
    if waiting:
        parts = [_funded_part(milestone) for milestone in waiting]
        unit.post(JournalKind.PAYMENT_SUCCEEDED, source, currency, parts, event_at=paid_at)
        cover_more(case, payment.payment_id)
    rest = payment.paid_minor - sum(m.amount_minor + m.payer_fee_minor for m in waiting)
    if rest:
        part = Part({"payment": payment.public_id}, {"amount": rest})
        unit.post(JournalKind.PAYMENT_UNEXPECTED, source, currency, [part], event_at=paid_at)


def apply_suspense(case: EscrowCase, payment: Payment, milestones: Iterable[Milestone]) -> None:
    """Posting 1s back: what a payment left in suspense funds these milestones. They are the
    payment's from now on, as if it had been made for them.

    Raises:
        WrongState, PartyNotAllowed.
    """
    parts = []
    for milestone in milestones:
        # Stripe has held the money since it was paid, not since it was applied.
        milestone.funded_at = min(payment.observed_at or case.unit.now, case.unit.now)
        case.advance(milestone, MilestoneEvent.APPLY_SUSPENSE)
        milestone.payment_id = payment.payment_id
        milestone.funded_minor = milestone.amount_minor
        part = _funded_part(milestone)
        parts.append(Part({**part.names, "payment": payment.public_id}, part.amounts))
    case.touch()
    source = Source("payment", payment.public_id)
    case.unit.post(JournalKind.SUSPENSE_APPLIED, source, payment.currency, parts)


def _funded_part(milestone: Milestone) -> Part:
    return Part(
        {"milestone": milestone.public_id},
        {"amount": milestone.amount_minor, "payer_fee": milestone.payer_fee_minor},
    )


def _settle_charge(case: EscrowCase, payment: Payment, balance: BalanceTransaction | None) -> bool:
    """Posting 2: the charge's fee is known some time after the payment."""
    if balance is None or payment.stripe_balance_transaction == balance.id:
        return False
    if payment.state is not PaymentState.SUCCEEDED:
        return False  # a bank debit moves the balance before it succeeds, and may fail
    if payment.stripe_balance_transaction:
        raise Contradiction(f"the charge was settled by {payment.stripe_balance_transaction}")
    same = balance.currency == payment.currency
    if same and balance.amount_minor != payment.paid_minor:
        raise Contradiction(f"{balance.id} settles {balance.amount_minor} {balance.currency}")
    if balance.net_minor < 0 or balance.fee_minor < 0:
        raise Contradiction(f"{balance.id} takes more than it brings")
    payment.stripe_balance_transaction = balance.id
    payment.processing_fee_minor = balance.fee_minor
    case.touch()
    if not same:
        payment.settled_currency, payment.settled_minor = balance.currency, balance.amount_minor
    amounts = {"net": balance.net_minor, "fee": balance.fee_minor, "amount": payment.paid_minor}
    case.unit.post(
        JournalKind.CHARGE_SETTLED if same else JournalKind.CHARGE_CONVERTED,
        transaction_source(balance.id),
        payment.currency,
        [Part({}, amounts)],
        settled_currency="" if same else balance.currency,
        event_at=balance.created_at,
        transaction=balance,
    )
    for release in case.records.releases:
        if release.payment_id == payment.payment_id:
            convert_fees(case, payment, release)
    return True


def transaction_source(transaction_id: str) -> Source:
    """What the journal is of that books a balance transaction, and nothing else."""
    return Source("balance_transaction", transaction_id)


def payment_rejected(case: EscrowCase, payment: Payment, refusal: Rejected) -> None:
    """Stripe refused to make the payment, unless an event has shown that it exists."""
    if not PAYMENT.allows(payment.state, PaymentEvent.REJECT):
        return
    case.touch()
    case.unit.advance(payment, PaymentEvent.REJECT)
    payment.failure_code = refusal.code
    payment.failure_decline_code = refusal.decline_code or None
    payment.failure_message = refusal.message


def payment_named(case: EscrowCase, seen: PaymentObservation) -> Payment:
    """The payment that an observation is about, by Stripe's id."""
    for payment in case.records.payments:
        if payment.stripe_payment_intent == seen.payment_intent:
            return payment
    raise PaymentMissing
