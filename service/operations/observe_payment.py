"""What Stripe tells about a payment, whoever tells it (an event, an answer, a look-up), becomes
what the books know. Told twice, or in another order, it ends the same.
"""

from __future__ import annotations

from datetime import timedelta

from service.domain import ids
from service.domain.errors import PaymentMissing
from service.domain.ledger import Kind, Part, Source
from service.domain.lifecycle import (
    Failure,
    MilestoneEvent,
    MilestoneState,
    PaymentState,
    payment_moves,
)
from service.domain.model import Milestone, Payment
from service.operations.escrow_case import EscrowCase
from service.stripe.reading import BalanceTransaction, PaymentObservation


class Contradiction(Exception):
    """What Stripe tells does not fit what we know; nothing is booked until a person has looked."""


def observe_payment(case: EscrowCase, payment: Payment, told: PaymentObservation) -> bool:
    """Postings 1 and 2. False when nothing of it is new.

    Raises:
        Contradiction: it names another payment intent, amount or currency than ours.
    """
    _check(payment, told)
    news = [
        _name_objects(payment, told),
        _follow_state(case, payment, told),
        _settle_charge(case, payment, told.balance),
    ]
    if not any(news):
        return False
    case.touch()
    case.unit.put(payment)
    return True


def _check(payment: Payment, told: PaymentObservation) -> None:
    for name in ("payment_intent", "checkout_session"):
        ours, theirs = getattr(payment, f"stripe_{name}"), getattr(told, name)
        if ours and theirs and ours != theirs:
            raise Contradiction(f"the payment's {name} is {ours}, not {theirs}")
    if told.state is not PaymentState.SUCCEEDED:
        return
    if (told.received_minor, told.currency) != (payment.amount_minor, payment.currency):
        raise Contradiction(
            f"paid {told.received_minor} {told.currency},"
            f" expected {payment.amount_minor} {payment.currency}"
        )
    if not (told.charge or payment.stripe_charge):
        raise Contradiction("it succeeded without a charge")


def _name_objects(payment: Payment, told: PaymentObservation) -> bool:
    before = (payment.stripe_payment_intent, payment.stripe_checkout_session, payment.stripe_charge)
    payment.stripe_payment_intent = payment.stripe_payment_intent or told.payment_intent
    payment.stripe_checkout_session = payment.stripe_checkout_session or told.checkout_session
    if told.charge and payment.state is not PaymentState.SUCCEEDED:
        payment.stripe_charge = told.charge  # a declined charge is followed by another
    return before != (
        payment.stripe_payment_intent,
        payment.stripe_checkout_session,
        payment.stripe_charge,
    )


def _follow_state(case: EscrowCase, payment: Payment, told: PaymentObservation) -> bool:
    # What was read just now is the newest there is, also when Stripe's clock is ahead of ours.
    after_events = (payment.observed_at or case.unit.now) + timedelta(microseconds=1)
    told_at = told.told_at or max(case.unit.now, after_events)
    before = payment.state
    known, failure = _failure_of(payment), _failure_of(told)
    if not payment_moves(
        before,
        payment.observed_at,
        told.state,
        told_at,
        seen_failure=known,
        told_failure=failure,
    ):
        return False
    same = told.state is before and failure == known
    if same and told.told_at is None:
        return False  # a reading that brings nothing new is not worth a write
    payment.observed_at = told_at
    if same:
        return True
    payment.state = told.state
    payment.failure_code, payment.failure_decline_code = (
        told.failure_code,
        told.failure_decline_code,
    )
    payment.failure_message = told.failure_message
    case.touch()
    case.unit.moved(ids.show(ids.PAYMENT, payment.payment_id), before, payment.state)
    if payment.state is PaymentState.SUCCEEDED:
        _fund_milestones(case, payment, told)
    return True


def _failure_of(source: Payment | PaymentObservation) -> Failure:
    texts = (source.failure_code, source.failure_decline_code, source.failure_message)
    return texts[0] or "", texts[1] or "", texts[2] or ""


def _fund_milestones(case: EscrowCase, payment: Payment, told: PaymentObservation) -> None:
    """Posting 1; what has nothing to fund any more goes to suspense, where it is shown."""
    shown = ids.show(ids.PAYMENT, payment.payment_id)
    source = Source("payment", shown)
    waiting = [
        m
        for m in case.records.milestones
        if m.payment_id == payment.payment_id and m.state is MilestoneState.AWAITING_FUNDS
    ]
    for milestone in waiting:
        case.advance(milestone, MilestoneEvent.PAYMENT_SUCCEEDED)
        milestone.funded_minor = milestone.amount_minor
    unit, currency = case.unit, payment.currency
    if waiting:
        parts = [_funded_part(milestone) for milestone in waiting]
        unit.post(Kind.PAYMENT_SUCCEEDED, source, currency, parts, event_at=told.told_at)
    rest = payment.amount_minor - sum(m.amount_minor + m.payer_fee_minor for m in waiting)
    if rest:
        part = Part({"payment": shown}, {"amount": rest})
        unit.post(Kind.PAYMENT_UNEXPECTED, source, currency, [part], event_at=told.told_at)


def _funded_part(milestone: Milestone) -> Part:
    return Part(
        {"milestone": ids.show(ids.MILESTONE, milestone.milestone_id)},
        {"amount": milestone.amount_minor, "payer_fee": milestone.payer_fee_minor},
    )


def _settle_charge(case: EscrowCase, payment: Payment, balance: BalanceTransaction | None) -> bool:
    """Posting 2: the charge's fee is known some time after the payment."""
    if balance is None or payment.stripe_balance_transaction == balance.id:
        return False
    if payment.stripe_balance_transaction:
        raise Contradiction(f"the charge was settled by {payment.stripe_balance_transaction}")
    gross_minor = balance.net_minor + balance.fee_minor
    if (gross_minor, balance.currency) != (payment.amount_minor, payment.currency):
        raise Contradiction(
            f"{balance.id} settles {gross_minor} {balance.currency}; a settlement in another"
            " currency is not booked without a person"
        )
    payment.stripe_balance_transaction = balance.id
    payment.processing_fee_minor = balance.fee_minor
    case.touch()
    case.unit.post(
        Kind.CHARGE_SETTLED,
        Source("balance_transaction", balance.id),
        payment.currency,
        [Part({}, {"net": balance.net_minor, "fee": balance.fee_minor})],
        event_at=balance.created_at,
    )
    return True


def payment_named(case: EscrowCase, told: PaymentObservation) -> Payment:
    """The payment that an observation is about, by Stripe's id."""
    for payment in case.records.payments:
        if payment.stripe_payment_intent == told.payment_intent:
            return payment
    raise PaymentMissing
