"""A refund that does not take place: refused by Stripe, put back, or paid by another way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from service.aggregates.disputed import regain
from service.aggregates.escrow import EscrowCase
from service.aggregates.freeze import Cause, cover_more, keep_for_payer
from service.aggregates.receivable import cancel_debt
from service.aggregates.refund import (
    BEFORE,
    call_back,
    count_gone,
    count_held,
    count_part,
    end_refunding,
    milestones_of,
    parts_of,
    post_fees,
    post_parts,
    refund_source,
)
from service.aggregates.release import end_when_transferred, nothing_to_transfer
from service.domain.dispute import gave_back
from service.domain.errors import RefundStillOut, ReversalUnderWay
from service.domain.journal import Part
from service.domain.postings import JournalKind
from service.domain.records.escrow import Milestone
from service.domain.records.freeze import FreezeReason
from service.domain.records.payment import Payment
from service.domain.records.receivable import Receivable
from service.domain.records.refund import Refund, RefundOrigin, RefundPart
from service.domain.records.release import Release
from service.domain.states.milestone import MilestoneEvent, MilestoneState
from service.domain.states.receivable import ReceivableState
from service.domain.states.refund import (
    REFUND,
    RefundEvent,
)
from service.domain.states.release import ReleaseState

REFUSED = "Stripe refused the refund"
K = JournalKind
BACK_TO: Mapping[RefundOrigin, JournalKind] = {
    RefundOrigin.HELD: K.PUT_BACK_TO_HELD,
    RefundOrigin.PAYABLE: K.PUT_BACK_TO_PAYABLE,
    RefundOrigin.PAYEE: K.PUT_BACK_TO_PAYEE,
    RefundOrigin.SUSPENSE: K.PUT_BACK_TO_SUSPENSE,
}
LOST_BACK_TO: Mapping[RefundOrigin, JournalKind] = {
    RefundOrigin.HELD: K.TAKEN_BACK_TO_HELD,
    RefundOrigin.PAYABLE: K.TAKEN_BACK_TO_PAYABLE,
    RefundOrigin.PAYEE: K.TAKEN_BACK_TO_PAYEE,
    RefundOrigin.SUSPENSE: K.TAKEN_BACK_TO_SUSPENSE,
}


def refund_rejected(case: EscrowCase, refund: Refund, code: str) -> None:
    """Stripe refused to make it: the money is where it was. Where a refund that failed was sent
    again, the payer still has to get it.
    """
    if not REFUND.allows(refund.state, RefundEvent.REJECT):
        return
    failed_before, refund.failure_code = refund.failure_code is not None, code
    if failed_before:
        case.touch()
        case.unit.advance(refund, RefundEvent.FAIL)
    else:
        undo(case, refund, RefundEvent.REJECT)
        if any(gave_back(each, refund) for each in case.records.disputes):
            _keep_for_payer(case, refund)


def _keep_for_payer(case: EscrowCase, refund: Refund) -> None:
    """What a dispute gave to the payer waits for an operator: time would pay it to the payee."""
    parts = parts_of(case, refund)
    for milestone in milestones_of(case, parts):
        amount_minor = min(_held_of(milestone, parts), milestone.releasable_minor)
        cause = Cause(FreezeReason.ADMIN, refund.public_id, f"{refund.reason}: {REFUSED}")
        keep_for_payer(case, milestone, amount_minor, cause)


def put_back(case: EscrowCase, refund: Refund) -> None:
    """The money of a failed refund goes back to where it was.

    Raises:
        WrongState, PartyNotAllowed.
        RefundStillOut: Stripe has not given it back. ReversalUnderWay.
    """
    REFUND.follow(refund.public_id, refund.state, RefundEvent.PUT_BACK, case.unit.party)
    check_back(refund)
    undo(case, refund, RefundEvent.PUT_BACK)


def check_back(refund: Refund) -> None:
    """Raises RefundStillOut: the money of a failed refund is not back at Stripe."""
    if not refund.in_flight:
        raise RefundStillOut(refund_id=refund.public_id)


def paid_outside(case: EscrowCase, refund: Refund) -> None:
    """Postings 9h and 9hx: the platform has paid the payer from its own account.

    Raises:
        WrongState, PartyNotAllowed, RefundStillOut.
    """
    case.unit.advance(refund, RefundEvent.PAY_OUTSIDE)
    check_back(refund)
    case.touch()
    settled_currency = case.payment(refund.payment_id).settled_currency
    case.unit.post(
        K.REFUND_PAID_OUTSIDE_CONVERTED if settled_currency else K.REFUND_PAID_OUTSIDE,
        refund_source(refund),
        refund.currency,
        [Part({}, {"amount": refund.amount_minor, "settled": refund.settled_minor or 0})],
        settled_currency=settled_currency or "",
    )
    call_back(case, refund)
    end_refunding(case)


def undo(case: EscrowCase, refund: Refund, event: RefundEvent) -> None:
    """The reverse of ``refund_requested``. What payees gave back is theirs again, as a release.

    Raises:
        ReversalUnderWay.
    """
    parts, payment = parts_of(case, refund), case.payment(refund.payment_id)
    debts = {
        debt.release_id: debt
        for debt in case.records.receivables
        if debt.refund_id == refund.refund_id and debt.release_id
    }
    if any(debt.state is ReceivableState.REVERSING for debt in debts.values()):
        raise ReversalUnderWay(refund_id=refund.public_id)
    case.touch()
    case.unit.advance(refund, event)
    shares: dict[int, dict[str, int]] = {}
    caused: dict[int, Receivable] = {}
    for part in parts:
        owed_minor = 0
        if part.origin is RefundOrigin.PAYEE and part.release_id in debts:
            debt = debts.pop(part.release_id)
            owed_minor = cancel_debt(case, debt)
            caused[part.position] = debt
        shares[part.position] = {
            "owed": owed_minor,
            "payable": part.payee_share_minor - owed_minor,
        }
    kinds = BACK_TO if refund.chargeback_id is None else LOST_BACK_TO
    post_parts(case, refund, parts, kinds, shares)
    post_fees(case, refund, parts, payment, K.FEES_CONVERTED)
    for part in parts:
        payable_minor = shares[part.position]["payable"]
        _give_back(case, refund, payment, part, payable_minor, caused.get(part.position))
    disputed_minor = refund.disputed_minor
    for milestone in milestones_of(case, parts):
        _restore(case, milestone, parts)
        back_minor = min(disputed_minor, _held_of(milestone, parts))
        disputed_minor -= regain(case, milestone, back_minor)
    end_refunding(case)
    cover_more(case, payment.payment_id)


def _held_of(milestone: Milestone, parts: Iterable[RefundPart]) -> int:
    """What of a milestone's price was taken of what was held, and is again."""
    ours = (each for each in parts if each.milestone_id == milestone.milestone_id)
    return sum(each.price_minor for each in ours if each.origin is RefundOrigin.HELD)


def _give_back(
    case: EscrowCase,
    refund: Refund,
    payment: Payment,
    part: RefundPart,
    payable_minor: int,
    debt: Receivable | None,
) -> None:
    """``debt`` is what the payee owed because of it."""
    if part.milestone_id is None:
        if payment.settled_currency is not None:
            _convert_back(case, payment, part)
        return
    milestone = case.milestone(part.milestone_id)
    case.unit.put(milestone)
    count_gone(milestone, refund, -part.price_minor)
    if part.release_id is None:
        milestone.payer_fee_gone_minor -= part.payer_fee_minor
        count_held(case, part, -1)
        if payment.settled_currency is not None:
            _convert_back(case, payment, part)
        return
    milestone.released_minor += part.price_minor
    release = case.release_of(part.release_id)
    untouched = debt is not None and debt.canceled_minor == debt.amount_minor
    if debt is not None and untouched and release.state is not ReleaseState.RETURNED:
        _keep(case, release, part, debt)
    else:
        came_minor = debt.has_brought_minor if debt and debt.reversed_minor else None
        _release_again(case, payment, release, part, payable_minor, came_minor)


def _convert_back(case: EscrowCase, payment: Payment, part: RefundPart) -> None:
    payment.convert_back(part.amount_minor, part.settled_share_minor)
    case.unit.put(payment)


def _keep(case: EscrowCase, release: Release, part: RefundPart, debt: Receivable) -> None:
    """The payee keeps what they have: their release is what it was, and so what of it a later
    refund can call back.
    """
    count_part(release, part, 1)
    release.recall(-debt.reversible_minor, -debt.reversal_minor)
    release.netted_minor += debt.amount_minor - debt.reversible_minor
    case.unit.put(release)


def _release_again(
    case: EscrowCase,
    payment: Payment,
    before: Release,
    part: RefundPart,
    payable_minor: int,
    came_minor: int | None,
) -> None:
    """A release of its own: what had not come back of it has stayed with the payee. ``came_minor``
    is what a reversal brought, in the currency of the transfer.
    """
    unit = case.unit
    release = Release(
        tenant_id=before.tenant_id,
        release_id=unit.new_id(),
        escrow_id=before.escrow_id,
        milestone_id=before.milestone_id,
        payee_id=part.payee_id or before.payee_id,
        payment_id=before.payment_id,
        amount_minor=part.price_minor,
        payee_share_minor=part.payee_share_minor,
        currency=before.currency,
        state=ReleaseState.WAITING,
        effect_id=None,
        transfer_at=unit.now,
        created_at=unit.now,
        updated_at=unit.now,
        payer_fee_minor=part.payer_fee_minor,
        netted_minor=part.payee_share_minor - payable_minor,
        settled_payer_fee_minor=part.settled_payer_fee_minor,
        settled_payee_fee_minor=part.settled_payee_fee_minor,
    )
    if payment.settled_currency is not None:
        unsent, share = release.unsent_minor, part.payee_share_minor
        release.transfer_currency = payment.settled_currency
        pro_rata_minor = part.settled_share_minor * unsent // share if share else 0
        release.transfer_minor = pro_rata_minor if came_minor is None else came_minor
    case.records.releases.append(release)
    unit.create(release)
    if not release.unsent_minor:
        nothing_to_transfer(case, release)


def _restore(case: EscrowCase, milestone: Milestone, parts: Iterable[RefundPart]) -> None:
    """Moves a milestone to where it is when a refund did not take place."""
    if milestone.held_minor and milestone.state not in BEFORE:
        ours = (p.state_before for p in parts if p.milestone_id == milestone.milestone_id)
        before = next((state for state in ours if state in BEFORE), MilestoneState.FUNDED)
        case.advance(milestone, BEFORE[before])
    elif not milestone.held_minor and milestone.released_minor:
        case.advance(milestone, MilestoneEvent.RELEASED_AGAIN)
        end_when_transferred(case, milestone)
