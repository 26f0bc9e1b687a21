"""The deadlines of an escrow: begun and ended in the commit that moves what they are of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from service.aggregates.split import payees_of
from service.domain.amendment import changes_of, new_due_dates
from service.domain.deadlines import (
    NEVER,
    Running,
    held_at_most,
    is_over,
    next_warning,
    pause_after,
    percent_of,
    running,
)
from service.domain.policy import Periods
from service.domain.records.deadline import Deadline, DeadlineKind
from service.domain.records.escrow import Milestone
from service.domain.states.dispute import DisputeState
from service.domain.states.milestone import MilestoneState
from service.domain.states.proposal import ProposalEvent
from service.domain.unit import UnitOfWork
from service.store.tables import EscrowRecords

ANSWER, EVIDENCE, DISPUTE = DeadlineKind.ANSWER, DeadlineKind.EVIDENCE, DeadlineKind.DISPUTE
APART = (ANSWER, EVIDENCE)
"""What ends with a proposal, which may be over with other deadlines, and with a chargeback
(evidence_time.py).
"""


def keep_time(unit: UnitOfWork, records: EscrowRecords, periods: Periods) -> None:
    """Ends the deadlines that need not run any longer, and the proposals about what is over; then
    begins the deadlines that have to run.
    """
    wanted = {*running(records.escrow.escrow_id, records.milestones)}
    wanted |= {(DISPUTE, each.dispute_id) for each in records.disputes if each.is_open}
    _end(unit, records, lambda each: each.kind not in APART and _key(each) not in wanted)
    for proposal in records.proposals:
        if not proposal.is_open:
            continue
        if is_over(proposal, records.milestones, records.deadlines):
            unit.advance(proposal, ProposalEvent.LAPSE)
        else:
            wanted.add((ANSWER, proposal.proposal_id))
    _end(unit, records, lambda each: each.kind is ANSWER and _key(each) not in wanted)
    for key in wanted.difference(map(_key, records.deadlines)):
        _begin(unit, records, periods, *key)


def _key(deadline: Deadline) -> Running:
    return deadline.kind, deadline.subject_id


def _end(unit: UnitOfWork, records: EscrowRecords, done: Callable[[Deadline], bool]) -> None:
    for deadline in [each for each in records.deadlines if done(each)]:
        records.deadlines.remove(deadline)
        unit.remove(deadline)


def _begin(
    unit: UnitOfWork,
    records: EscrowRecords,
    periods: Periods,
    kind: DeadlineKind,
    subject_id: UUID,
) -> None:
    milestone = next((m for m in records.milestones if m.milestone_id == subject_id), None)
    starts_at = unit.now
    if kind is DISPUTE:
        due_at = starts_at + timedelta(hours=_hours_of_dispute(records, periods, subject_id))
    elif milestone is None:
        hours = periods.answer_hours if kind is ANSWER else periods.payment_hours
        asked_for = (p for p in records.proposals if p.proposal_id == subject_id)
        first = [date for proposal in asked_for for date in new_due_dates(changes_of(proposal))]
        due_at = min([starts_at + timedelta(hours=hours), *first])
    elif kind is DeadlineKind.DELIVERY:
        if milestone.due_at is None or not unit.now < milestone.due_at < NEVER:
            return  # there is no date, or it has passed
        due_at = milestone.due_at
    elif kind is DeadlineKind.INSPECTION:
        due_at = starts_at + timedelta(hours=periods.inspection_hours)
    elif milestone.state is MilestoneState.REFUNDING:
        return  # what was held runs already; what the payee had is held no more
    else:
        starts_at = min(funded_at(records, milestone) or unit.now, unit.now)
        due_at = starts_at + min(map(held_at_most, _countries(records, milestone)))
    deadline = Deadline(
        tenant_id=records.escrow.tenant_id,
        escrow_id=records.escrow.escrow_id,
        deadline_id=unit.new_id(),
        subject_id=subject_id,
        kind=kind,
        starts_at=starts_at,
        due_at=due_at,
        act_at=due_at,
    )
    if kind is DeadlineKind.HOLD_LIMIT:
        wait_for_warning(deadline)
    records.deadlines.append(deadline)
    unit.put(deadline)


def _hours_of_dispute(records: EscrowRecords, periods: Periods, dispute_id: UUID) -> int:
    """For how long somebody's turn lasts."""
    (dispute,) = (each for each in records.disputes if each.dispute_id == dispute_id)
    mediated = dispute.state is DisputeState.MEDIATION
    return periods.mediation_hours if mediated else periods.answer_hours


def begin_anew(unit: UnitOfWork, records: EscrowRecords, subject_id: UUID) -> None:
    """Ends the deadlines of what has moved: ``keep_time`` begins the next."""
    _end(unit, records, lambda each: each.subject_id == subject_id)


def _countries(records: EscrowRecords, milestone: Milestone) -> set[str]:
    """Those of the payees of a milestone."""
    parts = payees_of(records, milestone.milestone_id)
    theirs = {part.payee_id for part in parts if part.amount_minor} or {records.escrow.payee_id}
    return {records.payees[payee_id].country for payee_id in theirs}


def funded_at(records: EscrowRecords, milestone: Milestone) -> datetime | None:
    """Since when Stripe has the money that funds it; None while none does. Where the version before
    funded it, that is when it learned of its payment's success.
    """
    if milestone.funded_at or not milestone.funded_minor:
        return milestone.funded_at
    paid = (p.observed_at for p in records.payments if p.payment_id == milestone.payment_id)
    return next(paid, None)


def wait_for_warning(deadline: Deadline) -> None:
    """Lets a hold limit be looked at when so much of its time has passed that people are warned."""
    percent = next_warning(deadline)
    deadline.act_at = percent_of(deadline, percent) if percent else None


def limit_anew(unit: UnitOfWork, records: EscrowRecords, milestone: Milestone) -> None:
    """Lets Stripe's limit be that of the payees whom a milestone has now, with its warnings."""
    held_for = min(map(held_at_most, _countries(records, milestone)))
    for deadline in records.deadlines:
        of_it = deadline.subject_id == milestone.milestone_id
        due_at = deadline.starts_at + held_for
        if of_it and deadline.kind is DeadlineKind.HOLD_LIMIT and deadline.due_at != due_at:
            deadline.due_at, deadline.warned_percent = due_at, 0
            deadline.tries += 1  # what a worker has leased before is not meant any more
            wait_for_warning(deadline)
            unit.put(deadline)


def put_off(unit: UnitOfWork, deadline: Deadline, refusal: str) -> None:
    """Lets a deadline wait for what stands in its way, longer each time."""
    deadline.act_at = unit.now + pause_after(deadline.tries)
    deadline.tries += 1
    deadline.refusal = refusal
    unit.put(deadline)


def extend(unit: UnitOfWork, records: EscrowRecords, deadline: Deadline, due_at: datetime) -> None:
    """Lets a deadline be due later; of a delivery the milestone's due date moves with it."""
    deadline.due_at = deadline.act_at = due_at
    deadline.tries += 1  # what a worker has leased before is not meant any more
    deadline.refusal = None
    unit.put(deadline)
    for milestone in records.milestones:
        if deadline.kind is DeadlineKind.DELIVERY and milestone.milestone_id == deadline.subject_id:
            milestone.due_at = due_at
            unit.put(milestone)


def leave_time(
    unit: UnitOfWork, records: EscrowRecords, milestone_id: UUID, least: timedelta
) -> None:
    """Lets the inspection of a milestone last so long from now at least."""
    deadline = inspection_of(records, milestone_id)
    if deadline is not None and deadline.due_at < unit.now + least:
        extend(unit, records, deadline, unit.now + least)


def inspection_of(records: EscrowRecords, milestone_id: UUID) -> Deadline | None:
    of_it = (each for each in records.deadlines if each.subject_id == milestone_id)
    return next((each for each in of_it if each.kind is DeadlineKind.INSPECTION), None)


def due_again(unit: UnitOfWork, records: EscrowRecords) -> None:
    """Lets what was put off be tried at once, for what stood in its way may be gone."""
    for deadline in records.deadlines:
        if deadline.refusal is not None:
            deadline.act_at = unit.now
            unit.put(deadline)
