"""What Stripe tells about a payout, in the payee's own book (postings 8 and 8c)."""

from __future__ import annotations

from service.domain import ids
from service.domain.ledger import Kind, Part, Source
from service.domain.lifecycle import PAYOUT_RANK, PayoutState, payout_moves
from service.domain.model import Payee, Payout
from service.domain.unit import UnitOfWork
from service.operations.observe_payment import Contradiction
from service.stripe.reading import PayoutObservation

LEFT = PAYOUT_RANK[PayoutState.PENDING]
RETURNED = frozenset({PayoutState.FAILED, PayoutState.CANCELED})


def observe_payout(unit: UnitOfWork, payee: Payee, payout: Payout, told: PayoutObservation) -> bool:
    """Books what is new of a payout; False when nothing is. PAID may still become FAILED.

    Raises:
        Contradiction: it names another payout, amount or currency than ours.
    """
    if payout.stripe_payout not in (None, told.id):
        raise Contradiction(f"the payout is {payout.stripe_payout}, not {told.id}")
    if (told.amount_minor, told.currency) != (payout.amount_minor, payout.currency):
        raise Contradiction(f"the payout is of {told.amount_minor} {told.currency}")
    before = payout.state
    if before in RETURNED or not payout_moves(before, told.state):
        return False
    payout.state = told.state
    payout.stripe_payout = told.id
    payout.arrival_at = told.arrival_at
    payout.failure_code, payout.failure_message = told.failure_code, told.failure_message
    unit.put(payee)
    unit.put(payout)
    unit.moved(ids.show(ids.PAYOUT, payout.payout_id), before, payout.state)
    for kind in _postings(before, told.state):
        _post(unit, payee, payout, kind)
    return True


def _postings(before: PayoutState, after: PayoutState) -> list[Kind]:
    """Everything that lies between two states, also when an event in between never came."""
    kinds = []
    if PAYOUT_RANK[before] < LEFT:
        kinds.append(Kind.PAYOUT_CREATED)
    if after is PayoutState.PAID:
        kinds.append(Kind.PAYOUT_PAID)
    elif after in RETURNED:
        paid = before is PayoutState.PAID
        kinds.append(Kind.PAYOUT_RETURNED_AFTER_PAID if paid else Kind.PAYOUT_RETURNED)
    return kinds


def _post(unit: UnitOfWork, payee: Payee, payout: Payout, kind: Kind) -> None:
    part = Part({"account": payee.stripe_account or ""}, {"amount": payout.amount_minor})
    source = Source("payout", ids.show(ids.PAYOUT, payout.payout_id))
    unit.post(kind, source, payout.currency, [part])
