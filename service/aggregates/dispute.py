"""A dispute between the parties: opened, moved on, and ended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from service.aggregates.deadlines import begin_anew, extend, inspection_of
from service.aggregates.disputed import (
    disputed_minor,
    freeze_of,
    frozen_by_others,
    lose,
    open_disputes,
)
from service.aggregates.escrow import EscrowCase
from service.aggregates.neutral import keep_person
from service.domain.call import Party
from service.domain.dispute import LEAST_LEFT, MOST_DISPUTES
from service.domain.errors import (
    AmountDisputed,
    DisputeMissing,
    DisputeOver,
    DisputesExhausted,
    DisputeWindowClosed,
    FieldViolation,
    InvalidField,
    check_multiples,
)
from service.domain.money import charge_step_minor
from service.domain.records.deadline import Deadline
from service.domain.records.dispute import Dispute, DisputeReason
from service.domain.records.escrow import Milestone
from service.domain.records.freeze import Freeze, FreezeReason
from service.domain.records.refund import Refund, RefundOrigin, RefundPart
from service.domain.states.dispute import DisputeEvent, DisputeState
from service.domain.states.freeze import FreezeEvent, FreezeState
from service.domain.states.milestone import MilestoneState
from service.store.tables import EscrowRecords


def dispute_of(case: EscrowCase, dispute_id: UUID) -> Dispute:
    """One that is open.

    Raises:
        DisputeMissing, DisputeOver.
    """
    found = next((d for d in case.records.disputes if d.dispute_id == dispute_id), None)
    if found is None:
        raise DisputeMissing
    if not found.is_open:
        raise DisputeOver(dispute_id=found.public_id, state=found.state)
    return found


def deadline_of(records: EscrowRecords, dispute: Dispute) -> Deadline | None:
    return next((d for d in records.deadlines if d.subject_id == dispute.dispute_id), None)


def open_dispute(
    case: EscrowCase,
    milestone: Milestone,
    amount_minor: int | None,
    claim_minor: int | None,
    reason: DisputeReason,
    statement: str,
) -> Dispute:
    """Freezes what is disputed, and posts nothing. ``amount_minor`` is all that is held and not
    disputed when None, ``claim_minor`` all of that for who opens it.

    Raises:
        DisputeWindowClosed, DisputesExhausted, AmountNotMultiple.
        AmountDisputed: so much is not held, or it is disputed already.
        InvalidField: they ask for more than they dispute.
    """
    _check_window(case, milestone)
    theirs = [each for each in case.records.disputes if each.opened_by is case.unit.party]
    if len(theirs) >= MOST_DISPUTES:
        raise DisputesExhausted(escrow_id=case.escrow.public_id)
    amount_minor = _amount(case, milestone, amount_minor)
    if claim_minor is None:
        claim_minor = amount_minor if case.unit.party is Party.PAYER else 0
    if claim_minor > amount_minor:
        problem = f"must be at most what is disputed, {amount_minor}"
        raise InvalidField(FieldViolation("to_payer_minor", problem))
    unit = case.unit
    unit.decided()
    dispute = Dispute(
        tenant_id=case.escrow.tenant_id,
        escrow_id=case.escrow.escrow_id,
        dispute_id=unit.new_id(),
        milestone_id=milestone.milestone_id,
        state=DisputeState.OPEN,
        opened_by=unit.party,
        amount_minor=amount_minor,
        currency=case.escrow.currency,
        reason=reason,
        statement=statement,
        claim_minor=claim_minor,
        people=[],
        created_at=unit.now,
        updated_at=unit.now,
    )
    keep_person(case, dispute)
    case.touch()
    _freeze(case, milestone, dispute)
    case.records.disputes.append(dispute)
    unit.create(dispute)
    case.keep_time()
    return dispute


def move(case: EscrowCase, dispute: Dispute, event: DisputeEvent) -> None:
    """Moves an open dispute on: it is somebody else's turn, with all of their time. An offer does
    not give an operator more of it, or nobody would ever have to decide.

    Raises:
        WrongState, PartyNotAllowed.
    """
    case.touch()
    case.unit.advance(dispute, event)
    keep_person(case, dispute)
    if event is not DisputeEvent.OFFER or dispute.state is not DisputeState.MEDIATION:
        begin_anew(case.unit, case.records, dispute.dispute_id)
    case.keep_time()


def close(case: EscrowCase, dispute: Dispute, event: DisputeEvent) -> None:
    """Ends a dispute and lifts its freeze. Others' freezes stay.

    Raises:
        WrongState, PartyNotAllowed.
    """
    move(case, dispute, event)
    dispute.ended_at = case.unit.now
    own = freeze_of(case.records, dispute)
    case.unit.advance(own, FreezeEvent.END_DISPUTE)
    milestone = case.milestone(dispute.milestone_id)
    milestone.frozen_minor -= own.amount_minor
    case.unit.put(milestone)


def give_time_back(case: EscrowCase, dispute: Dispute) -> None:
    """The payee has withdrawn theirs: the payer inspects for as long as was left when it was
    opened, and for a day at least. Who withdraws their own gets no more time.
    """
    if dispute.opened_by is not Party.PAYEE:
        return
    deadline = inspection_of(case.records, dispute.milestone_id)
    if deadline is None:
        return
    most = max(timedelta(hours=case.policy.periods.inspection_hours), LEAST_LEFT)
    left = max(deadline.due_at - dispute.created_at, LEAST_LEFT)
    due_at = case.unit.now + min(left, most)
    if due_at > deadline.due_at:
        extend(case.unit, case.records, deadline, due_at)


def taken_from_held(case: EscrowCase, refund: Refund, parts: Iterable[RefundPart]) -> None:
    """Counts what a payer's bank, or a refund at Stripe, took of what the parties argued about. A
    dispute of which nothing is left has ended.
    """
    before_minor = sum(each.lost_minor for each in case.records.disputes)
    for part in parts:
        if part.origin is not RefundOrigin.HELD or part.milestone_id is None:
            continue
        for dispute in lose(case, case.milestone(part.milestone_id), part.price_minor):
            close(case, dispute, DisputeEvent.EXHAUST)
            dispute.to_payer_minor = 0
    refund.disputed_minor = sum(each.lost_minor for each in case.records.disputes) - before_minor


def _check_window(case: EscrowCase, milestone: Milestone) -> None:
    if milestone.state is MilestoneState.FUNDED and case.unit.party is Party.PAYER:
        return
    inspection = inspection_of(case.records, milestone.milestone_id)
    ends_at: datetime | None = inspection.due_at if inspection else None
    delivered = milestone.state is MilestoneState.DELIVERED
    if not delivered or ends_at is None or case.unit.now >= ends_at:
        raise DisputeWindowClosed(milestone_id=milestone.public_id, state=milestone.state)


def _amount(case: EscrowCase, milestone: Milestone, amount_minor: int | None) -> int:
    currency = case.escrow.currency
    argued_minor = disputed_minor(case.records, milestone)
    most_minor = milestone.held_minor - argued_minor
    wanted_minor = most_minor if amount_minor is None else amount_minor
    check_multiples({"amount_minor": wanted_minor}, charge_step_minor(currency), currency)
    if not 0 < wanted_minor <= most_minor:
        raise AmountDisputed(
            amount_minor=wanted_minor or milestone.held_minor,
            held_minor=milestone.held_minor,
            disputed_minor=argued_minor,
            currency=currency,
        )
    return wanted_minor


def _freeze(case: EscrowCase, milestone: Milestone, dispute: Dispute) -> None:
    """Its own freeze, of what nobody else has frozen of the same money."""
    others_minor = frozen_by_others(case.records, milestone)
    for each in open_disputes(case.records, milestone):
        others_minor -= each.left_minor - freeze_of(case.records, each).amount_minor
    own_minor = dispute.amount_minor - min(max(others_minor, 0), dispute.amount_minor)
    unit, amount_minor = case.unit, min(own_minor, milestone.releasable_minor)
    assert milestone.payment_id is not None  # held money came by a payment
    row = Freeze(
        tenant_id=dispute.tenant_id,
        freeze_id=unit.new_id(),
        escrow_id=dispute.escrow_id,
        milestone_id=dispute.milestone_id,
        payment_id=milestone.payment_id,
        state=FreezeState.OPEN,
        reason=FreezeReason.DISPUTE,
        source=dispute.public_id,
        fact=f"{dispute.opened_by}: {dispute.reason}",
        amount_minor=amount_minor,
        beyond_minor=0,
        created_at=unit.now,
        updated_at=unit.now,
    )
    case.records.freezes.append(row)
    unit.create(row)
    milestone.frozen_minor += amount_minor
    unit.put(milestone)
