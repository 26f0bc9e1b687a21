"""Amendments of an escrow: what stands in the way of one, and carrying it out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from service.aggregates.deadlines import funded_at
from service.aggregates.escrow import EscrowCase
from service.aggregates.split import payees_of
from service.domain import ids
from service.domain.amendment import ENDED, MOST_MILESTONES, Change, PayeePart, Terms
from service.domain.blocker import Blocker, Rule
from service.domain.call import Party
from service.domain.cancellation import CANCELABLE
from service.domain.errors import AmendmentBlocked
from service.domain.fees import Fees
from service.domain.records.deadline import DeadlineKind
from service.domain.records.escrow import Milestone, MilestonePayee
from service.domain.states.escrow import escrow_event
from service.domain.states.milestone import MilestoneState
from service.store.tables import EscrowRecords

PAYEE_DECIDES = (
    "the payee can miss its new due date, and has to agree: by AcceptAmendment, or by asking for it"
    " themselves"
)


def terms_of(case: EscrowCase, milestone: Milestone) -> Terms:
    """What is agreed of a milestone now."""
    fees = Fees(milestone.amount_minor, milestone.payer_fee_minor, milestone.payee_fee_minor)
    parts = tuple(
        PayeePart(part.payee_id, part.amount_minor, part.payee_fee_minor, part.basis_points)
        for part in payees_of(case.records, milestone.milestone_id)
    )
    return Terms(fees, milestone.due_at, parts)


def check_fits(case: EscrowCase, changes: Sequence[Change], asked_by: Party) -> None:
    """Raises AmendmentBlocked: something of it cannot be done now, or is not what was seen; or an
    operator would decide what the payee has to.
    """
    blockers = [*_of_escrow(case, changes)]
    without_payee = case.unit.party is Party.OPERATOR and asked_by is not Party.PAYEE
    for change in changes:
        name = ids.show(ids.MILESTONE, change.milestone_id)
        blockers += [Blocker(name, why, Rule.AMENDMENT) for why in _of_milestone(case, change)]
        # Else the payer cancels for a missed date that the payee has never agreed to.
        if without_payee and takes_time(case.records, change, case.unit.now):
            blockers.append(Blocker(name, PAYEE_DECIDES, Rule.AMENDMENT))
    if blockers:
        raise AmendmentBlocked(blockers, escrow_id=case.escrow.public_id)


def takes_time(records: EscrowRecords, change: Change, now: datetime) -> bool:
    """Whether the payee has to agree to a due date of it."""
    return change.takes_time(dates_count_since(records, change, now))


def dates_count_since(records: EscrowRecords, change: Change, now: datetime) -> datetime:
    """A due date before this nobody has missed: when its milestone was paid for, or now."""
    of_it = (m for m in records.milestones if m.milestone_id == change.milestone_id)
    return next((funded_at(records, each) or now for each in of_it), now)


def _of_escrow(case: EscrowCase, changes: Sequence[Change]) -> Iterator[Blocker]:
    escrow, count = case.escrow, len(case.records.milestones)
    if escrow.state in ENDED:
        yield Blocker(
            escrow.public_id, f"it is {escrow.state}: create another escrow", Rule.AMENDMENT
        )
    if (added := sum(change.before is None for change in changes)) + count > MOST_MILESTONES:
        problem = f"it has {count} milestones, and can have {MOST_MILESTONES}: create another"
        if added:
            yield Blocker(escrow.public_id, f"{problem} escrow", Rule.AMENDMENT)


def _of_milestone(case: EscrowCase, change: Change) -> Iterator[str]:
    if change.of_price:
        yield from _of_price(case, case.milestone(change.milestone_id), change)
    if change.of_due_date:
        yield from _of_due_date(case.milestone(change.milestone_id), change)
    due_at, was = change.after.due_at, change.before.due_at if change.before else None
    if due_at and due_at != was and due_at <= case.unit.now:
        yield "its new due date has passed"


def _of_price(case: EscrowCase, milestone: Milestone, change: Change) -> Iterator[str]:
    assert change.before is not None
    if any(each.milestone_id == change.milestone_id for each in case.records.line_items):
        yield "its line items come to the price that it has: cancel it, and add another"
    if milestone.state is not MilestoneState.AWAITING_FUNDS:
        yield f"it is {milestone.state}: only what nobody has paid for gets another price"
    elif payment := case.open_payment(milestone):
        yield f"{payment.public_id} is open for it: finish it, or end it with CancelPayment"
    elif milestone.amount_minor != change.before.fees.amount_minor:
        yield "its price was changed since this was asked"


def _of_due_date(milestone: Milestone, change: Change) -> Iterator[str]:
    assert change.before is not None
    if milestone.state not in CANCELABLE:
        yield f"it is {milestone.state}: nothing is left to deliver"
    elif milestone.due_at != change.before.due_at:
        yield "its due date was changed since this was asked"


def amend(case: EscrowCase, changes: Sequence[Change]) -> None:
    """Changes the milestones, and begins their deadlines anew."""
    case.touch()
    for change in changes:
        if change.before is None:
            _add(case, change)
        else:
            _change(case, case.milestone(change.milestone_id), change)
    case.unit.advance(case.escrow, escrow_event(m.state for m in case.records.milestones))
    case.keep_time()


def _add(case: EscrowCase, change: Change) -> None:
    escrow, listed, after = case.escrow, case.records.milestones, change.after
    milestone = Milestone(
        tenant_id=escrow.tenant_id,
        escrow_id=escrow.escrow_id,
        milestone_id=change.milestone_id,
        position=max(each.position for each in listed) + 1,
        title=change.title,
        state=MilestoneState.AWAITING_FUNDS,
        amount_minor=after.fees.amount_minor,
        payer_fee_minor=after.fees.payer_fee_minor,
        payee_fee_minor=after.fees.payee_fee_minor,
        due_at=after.due_at,
    )
    listed.append(milestone)
    case.unit.create(milestone)
    for position, part in enumerate(after.parts):
        record = MilestonePayee(
            tenant_id=escrow.tenant_id,
            escrow_id=escrow.escrow_id,
            milestone_id=change.milestone_id,
            position=position,
            payee_id=part.payee_id,
            amount_minor=part.amount_minor,
            payee_fee_minor=part.payee_fee_minor,
            basis_points=part.basis_points,
        )
        case.records.milestone_payees.append(record)
        case.unit.put(record)


def _change(case: EscrowCase, milestone: Milestone, change: Change) -> None:
    case.unit.put(milestone)
    if change.of_price:
        _reprice(case, milestone, change.after)
    if change.of_due_date:
        milestone.due_at = change.after.due_at
        _end_delivery(case, milestone)


def _reprice(case: EscrowCase, milestone: Milestone, after: Terms) -> None:
    """A payment of the old price has ended, and can still turn out to have succeeded: it is the
    milestone's no more, so that what it brings is in suspense.
    """
    milestone.payment_id = None
    milestone.amount_minor = after.fees.amount_minor
    milestone.payer_fee_minor = after.fees.payer_fee_minor
    milestone.payee_fee_minor = after.fees.payee_fee_minor
    parts = payees_of(case.records, milestone.milestone_id)
    for record, part in zip(parts, after.parts, strict=True):
        record.amount_minor = part.amount_minor
        record.payee_fee_minor = part.payee_fee_minor
        case.unit.put(record)


def _end_delivery(case: EscrowCase, milestone: Milestone) -> None:
    """The deadline of the old date; keep_time() begins that of the new one."""
    for deadline in [*case.records.deadlines]:
        of_it = deadline.subject_id == milestone.milestone_id
        if of_it and deadline.kind is DeadlineKind.DELIVERY:
            case.records.deadlines.remove(deadline)
            case.unit.remove(deadline)
