"""What Stripe tells about a payment, in every order: the latest news is what the books end with."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest

from service.aggregates.escrow import EscrowCase
from service.aggregates.payment import observe_payment
from service.domain.call import Party
from service.domain.postings import JournalKind
from service.domain.records.escrow import Milestone
from service.domain.records.payment import Payment
from service.domain.states.milestone import MilestoneState
from service.domain.states.payment import Failure, PaymentState
from service.store.tables import EscrowRecords
from service.stripe.objects.payment_intent import PaymentObservation
from tests.records import (
    NOW,
    new_escrow,
    new_milestone,
    new_payee,
    new_payer,
    new_payment,
    new_unit,
)
from tests.service.stripe.objects.test_balance_transaction import SHOWN

INTENT = "pi_1"
DECLINED: Failure = ("card_declined", "generic_decline", "Your card was declined.")
NO_FUNDS: Failure = ("card_declined", "insufficient_funds", "Your card has insufficient funds.")
EXPIRED: Failure = ("expired_card", "", "Your card has expired.")


def seen(
    state: PaymentState, seconds: int | None, failure: Failure = ("", "", "")
) -> PaymentObservation:
    """News of this age, or what is read just now (None)."""
    return PaymentObservation(
        state=state,
        seen_at=None if seconds is None else NOW + timedelta(seconds=seconds),
        payment_intent=INTENT,
        failure_code=failure[0] or None,
        failure_decline_code=failure[1] or None,
        failure_message=failure[2] or None,
    )


def failed(seconds: int, failure: Failure) -> PaymentObservation:
    return seen(PaymentState.REQUIRES_PAYMENT_METHOD, seconds, failure)


def hear(*news: PaymentObservation, now: datetime = NOW) -> tuple[PaymentState, Failure]:
    """What is known of a new payment after this news, in this order."""
    return known(heard(*news, now=now)[0])


def heard(*news: PaymentObservation, now: datetime) -> tuple[Payment, Milestone]:
    payer, payee = new_payer(), new_payee()
    escrow = new_escrow(payer, payee)
    payment = new_payment(escrow)
    milestone = new_milestone(escrow, payment_id=payment.payment_id)
    for observation in news:  # each seen by an operation of its own
        records = EscrowRecords(
            escrow=escrow, payer=payer, payee=payee, milestones=[milestone], payments=[payment]
        )
        seen_now = replace(
            observation,
            amount_minor=payment.amount_minor,
            effect=payment.payment_id,
            transfer_group=escrow.public_id,
            customer=payer.stripe_customer,
            currency=payment.currency,
        )
        observe_payment(
            EscrowCase(new_unit(now=now, party=Party.STRIPE), records), payment, seen_now
        )
    return payment, milestone


def known(payment: Payment) -> tuple[PaymentState, Failure]:
    failure = payment.failure_code, payment.failure_decline_code, payment.failure_message
    return payment.state, (failure[0] or "", failure[1] or "", failure[2] or "")


AUTHENTICATING = seen(PaymentState.REQUIRES_ACTION, 5)
STORIES = {
    "declined, authenticated in vain, declined": (
        [failed(1, DECLINED), AUTHENTICATING, failed(10, DECLINED)],
        (PaymentState.REQUIRES_PAYMENT_METHOD, DECLINED),
    ),
    "declined three times, each time for another reason": (
        [failed(1, DECLINED), failed(2, NO_FUNDS), failed(3, EXPIRED)],
        (PaymentState.REQUIRES_PAYMENT_METHOD, EXPIRED),
    ),
    "declined, then authorized": (
        [failed(1, NO_FUNDS), AUTHENTICATING, seen(PaymentState.REQUIRES_CAPTURE, 7)],
        (PaymentState.REQUIRES_CAPTURE, ("", "", "")),
    ),
    "given up while it was authenticated": (
        [AUTHENTICATING, failed(6, DECLINED), seen(PaymentState.CANCELED, 6)],
        (PaymentState.CANCELED, ("", "", "")),
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_in_every_order_and_with_every_repetition(name: str) -> None:
    news, end = STORIES[name]

    for order in permutations(news):
        assert hear(*order) == end
        assert hear(*order, *order) == end
        assert hear(*order, *reversed(order)) == end


@pytest.mark.parametrize(
    "news",
    [
        [failed(1, DECLINED), failed(1, NO_FUNDS), failed(1, EXPIRED)],
        [failed(1, DECLINED), seen(PaymentState.REQUIRES_ACTION, 1)],
        [failed(1, DECLINED), seen(PaymentState.REQUIRES_PAYMENT_METHOD, 1)],
        [failed(1, ("a", "", "")), failed(1, ("a", "b", "")), failed(1, ("a", "b", "c"))],
        [seen(PaymentState.PROCESSING, 1), failed(1, NO_FUNDS), AUTHENTICATING],
    ],
)
def test_what_happened_in_one_second_ends_the_same_in_every_order(
    news: list[PaymentObservation],
) -> None:
    """Stripe's times are whole seconds: which came last cannot be known, and must not depend on
    who was heard last.
    """
    ends = {hear(*order) for order in permutations(news)}

    assert len(ends) == 1


def test_what_is_read_now_is_newer_than_any_event() -> None:
    read = seen(PaymentState.REQUIRES_CAPTURE, None)
    later = NOW + timedelta(seconds=60)

    assert hear(read, AUTHENTICATING, now=later)[0] is PaymentState.REQUIRES_CAPTURE
    assert hear(AUTHENTICATING, read, now=later)[0] is PaymentState.REQUIRES_CAPTURE


def test_what_is_read_now_counts_also_when_stripes_clock_is_ahead() -> None:
    read = seen(PaymentState.REQUIRES_CAPTURE, None)

    assert hear(AUTHENTICATING, read, now=NOW)[0] is PaymentState.REQUIRES_CAPTURE


@pytest.mark.parametrize(
    ("paid_s", "funded_s"),
    [(10, 10), (None, 60), (61, 60), (60, 60), (0, 0), (-1, 0)],
    ids=["known", "unknown", "in the future", "now", "at once", "before it was begun"],
)
def test_a_milestone_is_funded_when_stripe_had_the_money(paid_s: int | None, funded_s: int) -> None:
    """The payment was begun at 0, and its success is seen a minute later."""
    paid_at = None if paid_s is None else NOW + timedelta(seconds=paid_s)
    success = replace(
        seen(PaymentState.SUCCEEDED, None), charge="ch_1", received_minor=105_00, paid_at=paid_at
    )

    payment, milestone = heard(success, now=NOW + timedelta(seconds=60))

    assert milestone.state is MilestoneState.FUNDED
    assert milestone.funded_at == payment.observed_at == NOW + timedelta(seconds=funded_s)


def test_a_settlement_read_before_the_success_counts_when_that_is_read() -> None:
    """A bank debit can move the balance while it is still processing, and may fail yet."""
    payer, payee = new_payer(), new_payee()
    escrow = new_escrow(payer, payee)
    payment = new_payment(escrow)
    settlement = replace(SHOWN, amount_minor=payment.amount_minor, currency=payment.currency)
    settlement = replace(settlement, net_minor=settlement.amount_minor - settlement.fee_minor)
    journals = []
    for state, received_minor in (
        (PaymentState.PROCESSING, 0),
        (PaymentState.SUCCEEDED, payment.amount_minor),
        (PaymentState.SUCCEEDED, payment.amount_minor),
    ):
        milestone = new_milestone(escrow, payment_id=payment.payment_id)
        records = EscrowRecords(
            escrow=escrow, payer=payer, payee=payee, milestones=[milestone], payments=[payment]
        )
        case = EscrowCase(new_unit(now=NOW, party=Party.STRIPE), records)
        shown = replace(
            seen(state, None),
            charge="ch_1",
            amount_minor=payment.amount_minor,
            received_minor=received_minor,
            effect=payment.payment_id,
            transfer_group=escrow.public_id,
            customer=payer.stripe_customer,
            currency=payment.currency,
            balance=settlement,
        )
        observe_payment(case, payment, shown)
        journals.append([journal.kind for journal in case.unit.journals])

    both = [JournalKind.PAYMENT_SUCCEEDED, JournalKind.CHARGE_SETTLED]
    assert journals == [[], both, []]
    assert payment.stripe_balance_transaction == settlement.id
