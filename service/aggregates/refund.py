"""A refund: what it takes from whom, what Stripe shows of it, and how it is undone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import EscrowCase
from service.aggregates.freeze import cover_more
from service.aggregates.receivable import cancel_debt
from service.aggregates.refund_plan import SENT, reversal_of
from service.aggregates.release import end_when_transferred, nothing_to_transfer
from service.domain import ids
from service.domain.errors import RefundStillOut, ReversalUnderWay
from service.domain.journal import Part, Source
from service.domain.postings import JournalKind
from service.domain.records.balance_transaction import BalanceTransaction
from service.domain.records.escrow import Milestone
from service.domain.records.payment import Payment
from service.domain.records.receivable import Receivable
from service.domain.records.refund import Refund, RefundOrigin, RefundPart
from service.domain.records.release import Release
from service.domain.states.milestone import MilestoneEvent, MilestoneState
from service.domain.states.receivable import ReceivableState
from service.domain.states.refund import (
    DONE,
    REFUND,
    UNDONE,
    RefundEvent,
    RefundState,
)
from service.domain.states.release import ReleaseEvent, ReleaseState
from service.stripe.objects.refund import RefundObservation

K = JournalKind
FROM: Mapping[RefundOrigin, JournalKind] = {
    RefundOrigin.HELD: K.REFUNDED_FROM_HELD,
    RefundOrigin.PAYABLE: K.REFUNDED_FROM_PAYABLE,
    RefundOrigin.PAYEE: K.REFUNDED_FROM_PAYEE,
    RefundOrigin.SUSPENSE: K.REFUNDED_FROM_SUSPENSE,
}
BACK_TO: Mapping[RefundOrigin, JournalKind] = {
    RefundOrigin.HELD: K.PUT_BACK_TO_HELD,
    RefundOrigin.PAYABLE: K.PUT_BACK_TO_PAYABLE,
    RefundOrigin.PAYEE: K.PUT_BACK_TO_PAYEE,
    RefundOrigin.SUSPENSE: K.PUT_BACK_TO_SUSPENSE,
}
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
BEFORE = {
    MilestoneState.FUNDED: MilestoneEvent.HELD_AGAIN,
    MilestoneState.DELIVERED: MilestoneEvent.DELIVERED_AGAIN,
}


def refund_requested(
    case: EscrowCase,
    payment: Payment,
    parts: Sequence[RefundPart],
    reason: str,
    refund_id: UUID,
) -> Refund:
    """Postings 9a, 10, 11 and 9r: the money is on its way back to the payer.

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
    )
    if payment.settled_currency is not None:
        refund.settled_minor = sum(part.settled_minor for part in parts)
        unit.put(payment)
    case.records.refunds.append(refund)
    unit.create(refund)
    for part in parts:
        case.records.refund_parts.append(part)
        unit.put(part)
    _post_parts(case, refund, parts, FROM)
    _post_fees(case, refund, parts, payment, K.FEES_CONVERTED_BACK)
    for part in parts:
        _take(case, refund, payment, part)
    for milestone in _milestones(case, parts):
        _advance(case, milestone)
    return refund


def parts_of(case: EscrowCase, refund: Refund) -> list[RefundPart]:
    return [each for each in case.records.refund_parts if each.refund_id == refund.refund_id]


def _take(case: EscrowCase, refund: Refund, payment: Payment, part: RefundPart) -> None:
    """Takes a part out of the records of where it was."""
    if part.milestone_id is None:
        return
    milestone = case.milestone(part.milestone_id)
    case.unit.put(milestone)
    milestone.refunded_minor += part.price_minor
    if part.release_id is None:
        milestone.payer_fee_gone_minor += part.payer_fee_minor
        return
    milestone.released_minor -= part.price_minor
    release = case.release_of(part.release_id)
    if part.origin is RefundOrigin.PAYEE:
        _owe(case, refund, payment, release, part)
    elif release.transfer_minor is not None:
        release.transfer_minor -= part.settled_share_minor
    _shrink(release, part)
    case.unit.put(release)
    if release.state is not ReleaseState.WAITING:
        return
    if not release.amount_minor:
        case.unit.advance(release, ReleaseEvent.RETURN)
    elif not release.unsent_minor:
        nothing_to_transfer(case, release)


def _shrink(release: Release, part: RefundPart) -> None:
    release.amount_minor -= part.price_minor
    release.payee_share_minor -= part.payee_share_minor
    release.payer_fee_minor -= part.payer_fee_minor
    release.settled_payer_fee_minor -= part.settled_payer_fee_minor
    release.settled_payee_fee_minor -= part.settled_payee_fee_minor


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
    reversal_minor = reversal_of(release, reversible_minor) if reversible_minor else 0
    release.recalled_minor += reversible_minor
    # What is too small for a transfer was neither sent nor netted.
    release.netted_minor -= min(release.netted_minor, share_minor - reversible_minor)
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


def _post_parts(
    case: EscrowCase,
    refund: Refund,
    parts: Iterable[RefundPart],
    kinds: Mapping[RefundOrigin, JournalKind],
    more: Mapping[int, Mapping[str, int]] | None = None,
) -> None:
    """One journal for each kind of origin. ``more`` are further amounts, by the part's position."""
    by_kind: dict[JournalKind, list[Part]] = {}
    payment = ids.show(ids.PAYMENT, refund.payment_id)
    for part in parts:
        amounts = {
            "amount": part.amount_minor,
            "price": part.price_minor,
            "payer_fee": part.payer_fee_minor,
            "payee_fee": part.payee_fee_minor,
            "payee_share": part.payee_share_minor,
        }
        amounts |= (more or {}).get(part.position, {})
        names = {"payment": payment}
        if part.milestone_id:
            names["milestone"] = ids.show(ids.MILESTONE, part.milestone_id)
        if part.payee_id:
            names["payee"] = ids.show(ids.PAYEE, part.payee_id)
        by_kind.setdefault(kinds[part.origin], []).append(Part(names, amounts))
    for kind, posted in by_kind.items():
        case.unit.post(kind, refund_source(refund), refund.currency, posted)


def _post_fees(
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


def _milestones(case: EscrowCase, parts: Iterable[RefundPart]) -> list[Milestone]:
    named = {part.milestone_id for part in parts if part.milestone_id}
    return [each for each in case.records.milestones if each.milestone_id in named]


def _advance(case: EscrowCase, milestone: Milestone) -> None:
    """Moves a milestone to where it is after a refund was requested."""
    holds_nothing = milestone.state in BEFORE and not milestone.held_minor
    if not milestone.held_minor and not milestone.released_minor:
        case.advance(milestone, MilestoneEvent.REFUND)
    elif holds_nothing:
        case.advance(milestone, MilestoneEvent.REFUND_REST)
    else:
        case.advance(milestone, MilestoneEvent.REFUND_PART)
    end_when_transferred(case, milestone)


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
        _call_back(case, refund)
    for milestone in _milestones(case, parts_of(case, refund)):
        if had_succeeded and milestone.state is MilestoneState.REFUNDED:
            case.advance(milestone, MilestoneEvent.REFUND_FAILED)
    end_refunding(case)
    return True


def _call_back(case: EscrowCase, refund: Refund) -> None:
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
    taken_minor, known = abs(shown.amount_minor), shown.id in explained
    settled_minor = taken_minor if refund.settled_minor is None else refund.settled_minor
    amounts = {
        "amount": refund.amount_minor,
        "taken": taken_minor,
        "fee": abs(shown.fee_minor),
        "loss": max(taken_minor - settled_minor, 0),
        "gain": max(settled_minor - taken_minor, 0),
    }
    case.unit.post(
        kinds[payment.settled_currency is not None, known],
        Source("balance_transaction", shown.id),
        refund.currency,
        [Part({"balance_transaction": shown.id}, amounts)],
        settled_currency=payment.settled_currency or "",
        event_at=shown.created_at,
        transaction=None if known else shown,
    )


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
        _undo(case, refund, RefundEvent.REJECT)


def put_back(case: EscrowCase, refund: Refund) -> None:
    """The money of a failed refund goes back to where it was.

    Raises:
        WrongState, PartyNotAllowed.
        RefundStillOut: Stripe has not given it back. ReversalUnderWay.
    """
    REFUND.follow(refund.state, RefundEvent.PUT_BACK, case.unit.party)
    check_back(refund)
    _undo(case, refund, RefundEvent.PUT_BACK)


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
    _call_back(case, refund)
    end_refunding(case)


def _undo(case: EscrowCase, refund: Refund, event: RefundEvent) -> None:
    """The reverse of ``refund_requested``. What payees gave back is theirs again, as a release."""
    parts, payment = parts_of(case, refund), case.payment(refund.payment_id)
    debts = {d.release_id: d for d in case.records.receivables if d.refund_id == refund.refund_id}
    if any(debt.state is ReceivableState.REVERSING for debt in debts.values()):
        raise ReversalUnderWay(refund_id=refund.public_id)
    case.touch()
    case.unit.advance(refund, event)
    shares: dict[int, dict[str, int]] = {}
    untouched: dict[int, Receivable] = {}
    for part in parts:
        owed_minor = written_off_minor = 0
        if part.origin is RefundOrigin.PAYEE and part.release_id in debts:
            debt = debts.pop(part.release_id)
            owed_minor, written_off_minor = cancel_debt(case, debt), debt.written_off_minor
            if owed_minor == debt.amount_minor:
                untouched[part.position] = debt
        shares[part.position] = {
            "owed": owed_minor,
            "written_off": written_off_minor,
            "payable": part.payee_share_minor - owed_minor - written_off_minor,
        }
    _post_parts(case, refund, parts, BACK_TO, shares)
    _post_fees(case, refund, parts, payment, K.FEES_CONVERTED)
    for part in parts:
        _give_back(
            case, payment, part, shares[part.position]["payable"], untouched.get(part.position)
        )
    for milestone in _milestones(case, parts):
        _restore(case, milestone, parts)
    end_refunding(case)
    cover_more(case, payment.payment_id)


def _give_back(
    case: EscrowCase,
    payment: Payment,
    part: RefundPart,
    payable_minor: int,
    untouched: Receivable | None,
) -> None:
    """``untouched`` is what the payee owed because of it, if nothing of that has come back."""
    if part.milestone_id is None:
        if payment.settled_currency is not None:
            _convert_back(case, payment, part)
        return
    milestone = case.milestone(part.milestone_id)
    case.unit.put(milestone)
    milestone.refunded_minor -= part.price_minor
    if part.release_id is None:
        milestone.payer_fee_gone_minor -= part.payer_fee_minor
        if payment.settled_currency is not None:
            _convert_back(case, payment, part)
        return
    milestone.released_minor += part.price_minor
    release = case.release_of(part.release_id)
    if untouched is not None and release.state is not ReleaseState.RETURNED:
        _keep(case, release, part, untouched)
    else:
        _release_again(case, payment, part, payable_minor)


def _convert_back(case: EscrowCase, payment: Payment, part: RefundPart) -> None:
    payment.convert_back(part.amount_minor, part.settled_share_minor)
    case.unit.put(payment)


def _keep(case: EscrowCase, release: Release, part: RefundPart, debt: Receivable) -> None:
    """The payee keeps what they have: their release is what it was, and so what of it a later
    refund can call back.
    """
    release.amount_minor += part.price_minor
    release.payee_share_minor += part.payee_share_minor
    release.payer_fee_minor += part.payer_fee_minor
    release.settled_payer_fee_minor += part.settled_payer_fee_minor
    release.settled_payee_fee_minor += part.settled_payee_fee_minor
    release.recalled_minor -= debt.reversible_minor
    release.netted_minor += debt.amount_minor - debt.reversible_minor
    case.unit.put(release)


def _release_again(
    case: EscrowCase, payment: Payment, part: RefundPart, payable_minor: int
) -> None:
    """A release of its own: what had not come back of it has stayed with the payee."""
    before, unit = case.release_of(_named(part.release_id)), case.unit
    release = Release(
        tenant_id=before.tenant_id,
        release_id=unit.new_id(),
        escrow_id=before.escrow_id,
        milestone_id=before.milestone_id,
        payee_id=before.payee_id,
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
        release.transfer_minor = part.settled_share_minor * unsent // share if share else 0
    case.records.releases.append(release)
    unit.create(release)
    if not release.unsent_minor:
        nothing_to_transfer(case, release)


def _named(release_id: UUID | None) -> UUID:
    assert release_id is not None  # a part of what was released names it
    return release_id


def _restore(case: EscrowCase, milestone: Milestone, parts: Iterable[RefundPart]) -> None:
    """Moves a milestone to where it is when a refund did not take place."""
    if milestone.held_minor and milestone.state not in BEFORE:
        ours = (p.state_before for p in parts if p.milestone_id == milestone.milestone_id)
        before = next((state for state in ours if state in BEFORE), MilestoneState.FUNDED)
        case.advance(milestone, BEFORE[before])
    elif not milestone.held_minor and milestone.released_minor:
        case.advance(milestone, MilestoneEvent.RELEASED_AGAIN)
        end_when_transferred(case, milestone)


def refund_source(refund: Refund) -> Source:
    """What the journals of a refund are of, but for those of its balance transactions."""
    return Source("refund", refund.public_id)


def refunds_explain(refunds: Iterable[Refund], payment: Payment, refunded_minor: int) -> bool:
    """Whether refunds of ours account for what Stripe shows as refunded of a payment."""
    ours_minor = sum(
        refund.amount_minor
        for refund in refunds
        if refund.payment_id == payment.payment_id and refund.state not in UNDONE
    )
    return refunded_minor <= ours_minor
