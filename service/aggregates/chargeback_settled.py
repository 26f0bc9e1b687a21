"""Who bears what a chargeback took: rows 13b to 15x of the accountant's table, and 15r.

What was held, or released, is taken as a refund takes it, and the debts of payees are theirs to pay
back as after a refund. What the platform bears is its bad debt.

It may be settled before the bank has decided: the transfers are reversed as a precaution then, and
a win takes it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from service.aggregates.dispute import taken_from_held
from service.aggregates.dispute_fee import pass_fee_on, take_fee_back
from service.aggregates.escrow import EscrowCase
from service.aggregates.receivable import load_caused
from service.aggregates.refund import call_back, end_refunding, refund_requested, refund_source
from service.aggregates.refund_undone import undo
from service.domain.errors import SettlementDoesNotAddUp
from service.domain.journal import Part, Source
from service.domain.policy import DisputeFeeBearer
from service.domain.postings import JournalKind
from service.domain.records.chargeback import Chargeback
from service.domain.records.payment import Payment
from service.domain.records.receivable import Receivable
from service.domain.records.refund import Refund, RefundPart
from service.domain.states.receivable import ReceivableState
from service.domain.states.refund import RefundEvent, RefundState
from service.runtime import Runtime

K = JournalKind


class Loss(NamedTuple):
    """``amount_minor`` is what somebody has to bear, in the currency that was paid.
    ``taken_minor`` is what Stripe took for it, and ``excess_minor`` what it took beside it, in the
    settled currency; below zero where more came back.
    """

    amount_minor: int
    taken_minor: int
    excess_minor: int


def loss_of(known: Chargeback, payment: Payment) -> Loss:
    """What is gone. Where it is won in another currency, what is left is the gain or the loss by
    the rate of exchange (15x); so is what was taken above the payment.
    """
    gone_minor, plain = known.gone_minor, known.settled_currency == payment.currency
    if gone_minor <= 0 or (known.is_over and not plain):
        return Loss(0, 0, gone_minor)
    amount_minor = min(known.lost_minor, payment.paid_minor)
    excess_minor = gone_minor - amount_minor if plain else 0
    return Loss(amount_minor, gone_minor - excess_minor, excess_minor)


def settle(
    case: EscrowCase,
    known: Chargeback,
    payment: Payment,
    parts: Sequence[RefundPart],
    platform_minor: int,
    reason: str,
    fee_bearer: DisputeFeeBearer = DisputeFeeBearer.PLATFORM,
) -> Refund | None:
    """Takes the parts from where they are, and what is left is the platform's. Answers what was
    taken from them; None where the platform bears all. Row 15f, where payees bear the fee.

    Raises:
        SettlementDoesNotAddUp: the parts and the platform's are not what is gone.
    """
    loss, of_parts_minor = loss_of(known, payment), sum(part.amount_minor for part in parts)
    if of_parts_minor + platform_minor != loss.amount_minor:
        raise SettlementDoesNotAddUp(
            amount_minor=loss.amount_minor,
            found_minor=of_parts_minor + platform_minor,
            currency=payment.currency,
        )
    case.touch()
    known.settlements += 1
    refund, taken_minor = None, 0
    if parts:
        taken_minor = loss.taken_minor * of_parts_minor // loss.amount_minor
        refund = _take(case, known, payment, parts, taken_minor, reason)
    known.borne_minor = loss.taken_minor - taken_minor
    known.settled_minor, known.settled_at = known.gone_minor, case.unit.now
    case.unit.put(known)
    _post_own(case, known, loss.excess_minor)
    if refund is not None and fee_bearer is DisputeFeeBearer.PAYEE:
        pass_fee_on(case, known, refund, platform_minor)
    return refund


def _take(
    case: EscrowCase,
    known: Chargeback,
    payment: Payment,
    parts: Sequence[RefundPart],
    taken_minor: int,
    reason: str,
) -> Refund:
    """Rows 13b, 13b', 15'', then 15 or 13x."""
    refund_id = parts[0].refund_id
    refund = refund_requested(case, payment, parts, reason, refund_id, chargeback=known)
    taken_from_held(case, refund, parts)
    refund.taken_minor = taken_minor
    case.unit.advance(refund, RefundEvent.CHARGE_BACK)
    kinds = K.CHARGEBACK_SETTLED, K.CHARGEBACK_SETTLED_CONVERTED
    _post_taken(case, known, payment, refund, kinds)
    call_back(case, refund)
    end_refunding(case)
    return refund


async def load_settled(runtime: Runtime, case: EscrowCase, known: Chargeback) -> None:
    """Adds the debts that its settlement has caused and that are paid, or written off."""
    await load_caused(runtime, case, [each.refund_id for each in _taken_for(case, known)])


def take_back(case: EscrowCase, known: Chargeback) -> None:
    """Row 15r: the exact reverse of its settlement. What payees paid of it is theirs again.
    ``load_settled`` comes before.

    Raises:
        ReversalUnderWay.
    """
    if known.settled_at is None:
        return
    case.touch()
    excess_minor = known.settled_minor - known.borne_minor
    for refund in _taken_for(case, known):
        payment = case.payment(refund.payment_id)
        take_fee_back(case, known, refund)
        undo(case, refund, RefundEvent.TAKE_BACK)
        kinds = K.CHARGEBACK_UNSETTLED, K.CHARGEBACK_UNSETTLED_CONVERTED
        _post_taken(case, known, payment, refund, kinds)
        excess_minor -= refund.taken_minor or 0
    _post_own(case, known, excess_minor, back=True)
    known.settled_at, known.settled_minor, known.borne_minor = None, 0, 0
    case.unit.put(known)


def under_way(case: EscrowCase, known: Chargeback) -> list[Receivable]:
    """The debts for which a transfer is being reversed at this moment."""
    refunds = {refund.refund_id for refund in _taken_for(case, known)}
    debts = (debt for debt in case.records.receivables if debt.refund_id in refunds)
    return [debt for debt in debts if debt.state is ReceivableState.REVERSING]


def _taken_for(case: EscrowCase, known: Chargeback) -> list[Refund]:
    return [
        each
        for each in case.records.refunds
        if each.chargeback_id == known.chargeback_id and each.state is RefundState.CHARGED_BACK
    ]


def _post_taken(
    case: EscrowCase,
    known: Chargeback,
    payment: Payment,
    refund: Refund,
    kinds: tuple[JournalKind, JournalKind],
) -> None:
    plain, converted = kinds
    case.unit.post(
        converted if payment.settled_currency else plain,
        refund_source(refund),
        refund.currency,
        [Part({"chargeback": known.public_id}, refund.moved(refund.taken_minor or 0))],
        settled_currency=payment.settled_currency or "",
    )


def _post_own(
    case: EscrowCase, known: Chargeback, excess_minor: int, *, back: bool = False
) -> None:
    """Rows 15p and 15x: what the platform bears, and what was taken beside what was paid."""
    source = Source("chargeback", f"{known.public_id}:{known.settlements}")
    excess = {"above": max(excess_minor, 0), "below": max(-excess_minor, 0)}
    for kinds, amounts in (
        ((K.CHARGEBACK_BORNE, K.CHARGEBACK_BORNE_NO_MORE), {"amount": known.borne_minor}),
        ((K.CHARGEBACK_EXCESS, K.CHARGEBACK_EXCESS_NO_MORE), excess),
    ):
        if any(amounts.values()):
            part = Part({"chargeback": known.public_id}, amounts)
            case.unit.post(kinds[back], source, known.settled_currency or "", [part])
