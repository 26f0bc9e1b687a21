"""What Stripe shows of a refund becomes what the books know, by an answer, an event or a sweep."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import EscrowCase
from service.aggregates.refund import (
    call_back,
    end_refunding,
    milestones_of,
    parts_of,
)
from service.domain.journal import Part, Source
from service.domain.postings import JournalKind
from service.domain.records.balance_transaction import BalanceTransaction
from service.domain.records.payment import Payment
from service.domain.records.refund import Refund
from service.domain.states.milestone import MilestoneEvent, MilestoneState
from service.domain.states.refund import (
    REFUND,
    RefundState,
)
from service.stripe.objects.refund import RefundObservation

K = JournalKind
# By whether the charge was converted, and whether the movement was booked before it was explained.
CONFIRMED = {
    (False, False): K.REFUND_CONFIRMED,
    (False, True): K.REFUND_EXPLAINED,
    (True, False): K.REFUND_CONVERTED,
    (True, True): K.REFUND_EXPLAINED_CONVERTED,
}
FAILED = {
    (False, False): K.REFUND_FAILED,
    (False, True): K.REFUND_FAILED_EXPLAINED,
    (True, False): K.REFUND_FAILED_CONVERTED,
    (True, True): K.REFUND_FAILED_EXPLAINED_CONVERTED,
}


def observe_refund(
    case: EscrowCase,
    refund: Refund,
    seen: RefundObservation,
    explained: Collection[str] = (),
) -> bool:
    """Postings 9b, 9c and 9x; False when nothing is new. Once Stripe has taken the refund, what
    payees owe because of it is called back. ``explained`` are the balance transactions that had
    been booked before anybody knew what they were for.

    Raises:
        Contradiction: it is another refund, of another amount, or of another charge.
    """
    payment = case.payment(refund.payment_id)
    if refund.stripe_refund not in (None, seen.id):
        raise Contradiction(f"the refund is {refund.stripe_refund}, not {seen.id}")
    shown = seen.amount_minor, seen.currency, seen.charge
    if shown != (refund.amount_minor, refund.currency, payment.stripe_charge):
        raise Contradiction(f"{seen.id} is of {seen.amount_minor} {seen.currency} of {seen.charge}")
    named = refund.stripe_refund is None
    refund.stripe_refund = seen.id
    news = [
        named,
        _confirm(case, refund, payment, seen.transaction, explained),
        _fail(case, refund, payment, seen.failure_transaction, explained),
        _follow(case, refund, seen),
    ]
    if not any(news):
        return False
    case.touch()
    case.unit.put(refund)
    return True


def _follow(case: EscrowCase, refund: Refund, seen: RefundObservation) -> bool:
    if seen.state is refund.state or not REFUND.allows(refund.state, seen.event):
        return False
    had_succeeded = refund.state is RefundState.SUCCEEDED
    case.unit.advance(refund, seen.event)
    refund.failure_code = seen.failure_code
    if refund.state in (RefundState.PENDING, RefundState.SUCCEEDED):
        call_back(case, refund)
    for milestone in milestones_of(case, parts_of(case, refund)):
        if had_succeeded and milestone.state is MilestoneState.REFUNDED:
            case.advance(milestone, MilestoneEvent.REFUND_FAILED)
    end_refunding(case)
    return True


def _confirm(
    case: EscrowCase,
    refund: Refund,
    payment: Payment,
    shown: BalanceTransaction | None,
    explained: Collection[str],
) -> bool:
    if shown is None or refund.balance_transaction == shown.id:
        return False
    if refund.balance_transaction:
        raise Contradiction(f"the refund's money went by {refund.balance_transaction}")
    _check_moved(refund, payment, shown, -1)
    refund.balance_transaction, refund.taken_minor = shown.id, -shown.amount_minor
    _post_moved(case, refund, payment, shown, CONFIRMED, explained)
    return True


def _fail(
    case: EscrowCase,
    refund: Refund,
    payment: Payment,
    shown: BalanceTransaction | None,
    explained: Collection[str],
) -> bool:
    if shown is None or refund.failure_transaction == shown.id:
        return False
    if refund.failure_transaction:
        raise Contradiction(f"the refund's money came back by {refund.failure_transaction}")
    _check_moved(refund, payment, shown, 1)
    refund.failure_transaction = shown.id
    _post_moved(case, refund, payment, shown, FAILED, explained)
    return True


def _check_moved(refund: Refund, payment: Payment, shown: BalanceTransaction, sign: int) -> None:
    """Raises Contradiction."""
    currency = payment.settled_currency or payment.currency
    # Where it converts, the smallest refunds come to nothing.
    if shown.currency != currency or shown.amount_minor * sign < 0:
        raise Contradiction(f"{shown.id} moves {shown.amount_minor} {shown.currency}")
    same = payment.settled_currency is None
    if same and shown.amount_minor * sign != refund.amount_minor:
        raise Contradiction(f"{shown.id} moves {shown.amount_minor}, not {refund.amount_minor}")
    if shown.fee_minor * sign > 0:
        raise Contradiction(f"{shown.id} has a fee of {shown.fee_minor}")


def _post_moved(
    case: EscrowCase,
    refund: Refund,
    payment: Payment,
    shown: BalanceTransaction,
    kinds: Mapping[tuple[bool, bool], JournalKind],
    explained: Collection[str],
) -> None:
    case.touch()  # before it posts: a journal of the escrow
    known = shown.id in explained
    amounts = refund.moved(abs(shown.amount_minor), abs(shown.fee_minor))
    case.unit.post(
        kinds[payment.settled_currency is not None, known],
        Source("balance_transaction", shown.id),
        refund.currency,
        [Part({"balance_transaction": shown.id}, amounts)],
        settled_currency=payment.settled_currency or "",
        event_at=shown.created_at,
        transaction=None if known else shown,
    )
