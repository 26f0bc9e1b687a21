"""What Stripe shows of a payout, in the payee's own book (postings 8 and 8c)."""

from __future__ import annotations

from service.aggregates.contradiction import Contradiction
from service.aggregates.payee import load_payee_of_effect
from service.domain.journal import Part, Source
from service.domain.postings import JournalKind
from service.domain.records.effect import Effect
from service.domain.records.parties import Payee
from service.domain.records.payout import Payout
from service.domain.states.payout import (
    PAYOUT,
    PAYOUT_RETURNED,
    PAYOUT_SEEN,
    PayoutEvent,
    PayoutState,
)
from service.domain.unit import UnitOfWork
from service.runtime import Runtime
from service.store.parties import PayeeRecords
from service.stripe.objects.payout import PayoutObservation
from service.stripe.outcomes import Rejected

NOT_LEFT = frozenset({PayoutState.REQUESTED, PayoutState.REJECTED})


def observe_payout(
    unit: UnitOfWork, found: PayeeRecords, payout: Payout, seen: PayoutObservation
) -> bool:
    """Books what is new of a payout; False when nothing is. PAID may still become FAILED.

    Raises:
        Contradiction: it names another payout, amount or currency than ours.
    """
    if payout.stripe_payout not in (None, seen.id):
        raise Contradiction(f"the payout is {payout.stripe_payout}, not {seen.id}")
    if (seen.amount_minor, seen.currency) != (payout.amount_minor, payout.currency):
        raise Contradiction(f"the payout is of {seen.amount_minor} {seen.currency}")
    before = payout.state
    event = PAYOUT_SEEN[seen.state]
    if not PAYOUT.allows(before, event):
        return False
    unit.advance(payout, event)
    payout.stripe_payout = seen.id
    payout.arrival_at = seen.arrival_at
    payout.failure_code, payout.failure_message = seen.failure_code, seen.failure_message
    unit.put(found.payee)
    for kind in _postings(before, seen.state):
        _post(unit, account_of_payout(found), payout, kind)
    return True


def payout_rejected(unit: UnitOfWork, payee: Payee, payout: Payout, refusal: Rejected) -> None:
    """Stripe refused to make the payout, unless an event has shown that it exists."""
    if not PAYOUT.allows(payout.state, PayoutEvent.REJECT):
        return
    unit.advance(payout, PayoutEvent.REJECT)
    payout.failure_code, payout.failure_message = refusal.code, refusal.message
    unit.put(payee)


def _postings(before: PayoutState, after: PayoutState) -> list[JournalKind]:
    """Everything that lies between two states, also when an event in between never came."""
    kinds = []
    if before in NOT_LEFT:
        kinds.append(JournalKind.PAYOUT_CREATED)
    if after is PayoutState.PAID:
        kinds.append(JournalKind.PAYOUT_PAID)
    elif after in PAYOUT_RETURNED:
        paid = before is PayoutState.PAID
        kinds.append(
            JournalKind.PAYOUT_RETURNED_AFTER_PAID if paid else JournalKind.PAYOUT_RETURNED
        )
    return kinds


def account_of_payout(found: PayeeRecords) -> str:
    """The account that the payout which was loaded with its effect leaves; the payee may have
    another by now.
    """
    assert found.effect is not None  # a payout is planned with its effect
    return found.effect.stripe_account or ""


def _post(unit: UnitOfWork, account: str, payout: Payout, kind: JournalKind) -> None:
    part = Part({"account": account}, {"amount": payout.amount_minor})
    unit.post(kind, payout_source(payout), payout.currency, [part])


def payout_source(payout: Payout) -> Source:
    """What the journals of a payout are of."""
    return Source("payout", payout.public_id)


async def load_payout_of_effect(
    runtime: Runtime, unit: UnitOfWork, effect: Effect
) -> tuple[tuple[PayeeRecords, Payout], Effect]:
    """The payout that an effect makes, with its payee, and the effect as it is now."""
    found, current = await load_payee_of_effect(runtime, unit, effect)
    payout = next(p for p in found.payouts if p.payout_id == effect.subject_id)
    return (found, payout), current
