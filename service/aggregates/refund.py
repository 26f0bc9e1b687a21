"""A refund: what it takes from whom.

What Stripe shows of it is in refund_observed.py, and how it is undone in refund_undone.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from service.aggregates.escrow import EscrowCase
from service.aggregates.refund_parts import SENT
from service.aggregates.release import end_when_transferred, nothing_to_transfer
from service.aggregates.split import payees_of
from service.domain import ids
from service.domain.journal import Part, Source
from service.domain.postings import JournalKind
from service.domain.records.chargeback import Chargeback
from service.domain.records.escrow import Milestone
from service.domain.records.payment import Payment
from service.domain.records.receivable import Receivable
from service.domain.records.refund import Refund, RefundOrigin, RefundPart
from service.domain.records.release import Release
from service.domain.states.milestone import MilestoneEvent, MilestoneState
from service.domain.states.receivable import ReceivableState
from service.domain.states.refund import (
    DONE,
    RefundState,
)
from service.domain.states.release import ReleaseEvent, ReleaseState

K, ME = JournalKind, MilestoneEvent
Events = tuple[MilestoneEvent, MilestoneEvent, MilestoneEvent]
"""What moves a milestone: of which all went back, all that was held, or a part."""
FROM: Mapping[RefundOrigin, JournalKind] = {
    RefundOrigin.HELD: K.REFUNDED_FROM_HELD,
    RefundOrigin.PAYABLE: K.REFUNDED_FROM_PAYABLE,
    RefundOrigin.PAYEE: K.REFUNDED_FROM_PAYEE,
    RefundOrigin.SUSPENSE: K.REFUNDED_FROM_SUSPENSE,
}
LOST_FROM: Mapping[RefundOrigin, JournalKind] = {
    RefundOrigin.HELD: K.CHARGED_BACK_FROM_HELD,
    RefundOrigin.PAYABLE: K.CHARGED_BACK_FROM_PAYABLE,
    RefundOrigin.PAYEE: K.CHARGED_BACK_FROM_PAYEE,
    RefundOrigin.SUSPENSE: K.CHARGED_BACK_FROM_SUSPENSE,
}
BEFORE = {
    MilestoneState.FUNDED: MilestoneEvent.HELD_AGAIN,
    MilestoneState.DELIVERED: MilestoneEvent.DELIVERED_AGAIN,
}
"""Where a milestone holds money, and what leads back there when a refund did not take place."""


def refund_requested(
    case: EscrowCase,
    payment: Payment,
    parts: Sequence[RefundPart],
    reason: str,
    refund_id: UUID,
    events: Events = (ME.REFUND, ME.REFUND_REST, ME.REFUND_PART),
    chargeback: Chargeback | None = None,
) -> Refund:
    """Postings 9a, 10, 11 and 9r: the money is on its way back to the payer. With a chargeback 13b,
    13b' and 15'': the payer's bank has it.

    What payees have already is owed by them from now on; their transfers are reversed when Stripe
    has taken the refund.
    """
    unit, escrow = case.unit, case.escrow
    case.touch()
    refund = Refund(
        tenant_id=escrow.tenant_id,
        refund_id=refund_id,
        escrow_id=escrow.escrow_id,
        payment_id=payment.payment_id,
        state=RefundState.REQUESTED,
        amount_minor=sum(part.amount_minor for part in parts),
        currency=escrow.currency,
        reason=reason,
        created_at=unit.now,
        updated_at=unit.now,
        chargeback_id=chargeback.chargeback_id if chargeback else None,
    )
    if payment.settled_currency is not None:
        refund.settled_minor = sum(part.settled_minor for part in parts)
        unit.put(payment)
    case.records.refunds.append(refund)
    unit.create(refund)
    for part in parts:
        case.records.refund_parts.append(part)
        unit.put(part)
    post_parts(case, refund, parts, LOST_FROM if chargeback else FROM)
    post_fees(case, refund, parts, payment, K.FEES_CONVERTED_BACK)
    for part in parts:
        _take(case, refund, payment, part)
    for milestone in milestones_of(case, parts):
        _advance(case, milestone, events)
    return refund


def parts_of(case: EscrowCase, refund: Refund) -> list[RefundPart]:
    return [each for each in case.records.refund_parts if each.refund_id == refund.refund_id]


def _take(case: EscrowCase, refund: Refund, payment: Payment, part: RefundPart) -> None:
    """Takes a part out of the records of where it was."""
    if part.milestone_id is None:
        return
    milestone = case.milestone(part.milestone_id)
    case.unit.put(milestone)
    count_gone(milestone, refund, part.price_minor)
    if part.release_id is None:
        milestone.payer_fee_gone_minor += part.payer_fee_minor
        count_held(case, part, 1)
        return
    milestone.released_minor -= part.price_minor
    release = case.release_of(part.release_id)
    if part.origin is RefundOrigin.PAYEE:
        _owe(case, refund, payment, release, part)
    elif release.transfer_minor is not None:
        release.transfer_minor -= part.settled_share_minor
    count_part(release, part, -1)
    case.unit.put(release)
    if release.state is not ReleaseState.WAITING:
        return
    if not release.amount_minor:
        case.unit.advance(release, ReleaseEvent.RETURN)
    elif not release.unsent_minor:
        nothing_to_transfer(case, release)


def count_gone(milestone: Milestone, refund: Refund, price_minor: int) -> None:
    """So much more of the price is with the payer, by the platform or by their bank."""
    if refund.chargeback_id is None:
        milestone.refunded_minor += price_minor
    else:
        milestone.lost_minor += price_minor


def count_held(case: EscrowCase, part: RefundPart, sign: int) -> None:
    """Takes a part of what is held from the payee whose it was (1), or gives it back (-1)."""
    if part.payee_position is None or part.milestone_id is None:
        return
    for payee in payees_of(case.records, part.milestone_id):
        if payee.position == part.payee_position:
            payee.gone_minor += sign * part.price_minor
            case.unit.put(payee)


def count_part(release: Release, part: RefundPart, sign: int) -> None:
    """Takes a part out of what stands of a release (-1), or puts it back (1)."""
    release.amount_minor += sign * part.price_minor
    release.payee_share_minor += sign * part.payee_share_minor
    release.payer_fee_minor += sign * part.payer_fee_minor
    release.settled_payer_fee_minor += sign * part.settled_payer_fee_minor
    release.settled_payee_fee_minor += sign * part.settled_payee_fee_minor


def _owe(
    case: EscrowCase, refund: Refund, payment: Payment, release: Release, part: RefundPart
) -> None:
    """What the payee has of it: by the transfer, or because it paid what they owed."""
    share_minor = part.payee_share_minor
    if not share_minor:
        return
    if release.state in SENT:  # also where nothing was left to send
        release.sent_minor = release.taken_minor
    sent_minor = release.sent_minor or 0
    reversible_minor = min(share_minor, sent_minor - release.recalled_minor)
    reversal_minor = release.recall_of(reversible_minor) if reversible_minor else 0
    release.recall(reversible_minor, reversal_minor)
    release.netted_minor -= share_minor - reversible_minor
    unit = case.unit
    debt = Receivable(
        tenant_id=release.tenant_id,
        receivable_id=unit.new_id(),
        version=0,
        payee_id=release.payee_id,
        escrow_id=release.escrow_id,
        release_id=release.release_id,
        refund_id=refund.refund_id,
        state=ReceivableState.OWED,
        amount_minor=share_minor,
        currency=release.currency,
        created_at=unit.now,
        updated_at=unit.now,
        reversible_minor=reversible_minor,
        reversal_currency=payment.settled_currency or release.currency,
        reversal_minor=reversal_minor,
        stripe_account=release.destination,
    )
    case.records.receivables.append(debt)
    unit.create(debt)


def post_parts(
    case: EscrowCase,
    refund: Refund,
    parts: Iterable[RefundPart],
    kinds: Mapping[RefundOrigin, JournalKind],
    more: Mapping[int, Mapping[str, int]] | None = None,
) -> None:
    """One journal for each kind of origin. ``more`` are further amounts, by the part's position."""
    by_kind: dict[JournalKind, list[Part]] = {}
    of_all = {"payment": ids.show(ids.PAYMENT, refund.payment_id)}
    if refund.chargeback_id is not None:
        of_all["chargeback"] = ids.show(ids.CHARGEBACK, refund.chargeback_id)
    for part in parts:
        amounts = {
            "amount": part.amount_minor,
            "price": part.price_minor,
            "payer_fee": part.payer_fee_minor,
            "payee_fee": part.payee_fee_minor,
            "payee_share": part.payee_share_minor,
        }
        amounts |= (more or {}).get(part.position, {})
        names = dict(of_all)
        if part.milestone_id:
            names["milestone"] = ids.show(ids.MILESTONE, part.milestone_id)
        if part.payee_id:
            names["payee"] = ids.show(ids.PAYEE, part.payee_id)
        by_kind.setdefault(kinds[part.origin], []).append(Part(names, amounts))
    for kind, posted in by_kind.items():
        case.unit.post(kind, refund_source(refund), refund.currency, posted)


def post_fees(
    case: EscrowCase,
    refund: Refund,
    parts: Iterable[RefundPart],
    payment: Payment,
    kind: JournalKind,
) -> None:
    """Posting 9r, or its reverse: the fees that the platform had earned in the settled currency."""
    if payment.settled_currency is None:
        return
    released = [part for part in parts if part.release_id]
    posted = [
        Part(
            {},
            {
                "payee_fee": part.payee_fee_minor,
                "payer_fee": part.payer_fee_minor,
                "settled_payee_fee": part.settled_payee_fee_minor,
                "settled_payer_fee": part.settled_payer_fee_minor,
            },
        )
        for part in released
    ]
    if any(part.payee_fee_minor or part.payer_fee_minor for part in released):
        case.unit.post(
            kind,
            refund_source(refund),
            refund.currency,
            posted,
            settled_currency=payment.settled_currency,
        )


def milestones_of(case: EscrowCase, parts: Iterable[RefundPart]) -> list[Milestone]:
    """The milestones that parts of a refund are of."""
    named = {part.milestone_id for part in parts if part.milestone_id}
    return [each for each in case.records.milestones if each.milestone_id in named]


def _advance(case: EscrowCase, milestone: Milestone, events: Events) -> None:
    """Moves a milestone to where it is after a refund was requested."""
    whole, rest, part = events
    holds_nothing = milestone.state in BEFORE and not milestone.held_minor
    if not milestone.held_minor and not milestone.released_minor:
        case.advance(milestone, whole)
    elif holds_nothing:
        case.advance(milestone, rest)
    else:
        case.advance(milestone, part)
    end_when_transferred(case, milestone)


def call_back(case: EscrowCase, refund: Refund) -> None:
    """Lets the transfers be reversed of what payees owe because of it."""
    for debt in case.records.receivables:
        ours = debt.refund_id == refund.refund_id and debt.state is ReceivableState.OWED
        untried = debt.recover_at is None and not debt.refusals
        if ours and untried and debt.next_reversal[0]:
            debt.recover_at = case.unit.now
            case.unit.put(debt)


def end_refunding(case: EscrowCase) -> None:
    """Ends the milestones all of whose money is back with the payer."""
    open_ = {refund.refund_id for refund in case.records.refunds if refund.state not in DONE}
    waiting = {part.milestone_id for part in case.records.refund_parts if part.refund_id in open_}
    for milestone in case.records.milestones:
        if milestone.state is MilestoneState.REFUNDING and milestone.milestone_id not in waiting:
            case.advance(milestone, MilestoneEvent.REFUND_DONE)


def refund_source(refund: Refund) -> Source:
    """What the journals of a refund are of, but for those of its balance transactions."""
    return Source("refund", refund.public_id)
