"""Does what a deadline is for, as the timer. What is refused is put off, and shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog

from service.aggregates.deadlines import put_off, wait_for_warning
from service.aggregates.dispute import dispute_of, move
from service.aggregates.escrow import EscrowCase, open_case
from service.domain import ids
from service.domain.call import Call, Party
from service.domain.cancellation import silence_approves
from service.domain.deadlines import next_evidence_warning, next_warning, pause_after
from service.domain.dispute import silence_grants, undecided_to_payer
from service.domain.errors import AmountFrozen, DatabaseUnavailable, EscrowMissing, Refusal
from service.domain.money import charge_step_minor
from service.domain.records.deadline import Deadline, DeadlineKind
from service.domain.states.dispute import DisputeEvent, DisputeState
from service.domain.states.milestone import MilestoneEvent, MilestoneState
from service.domain.states.proposal import ProposalEvent
from service.domain.unit import UnitOfWork
from service.operations.agreements.proposals import carry_out_cancellation
from service.operations.disputes.ending import end_dispute
from service.operations.escrows.ending_payments import check_no_open, ending_payments
from service.operations.escrows.release_part import release_part
from service.runtime import Runtime, rerun
from service.store.deadlines import DueDeadline, put_off_deadline
from service.store.operations import Answered
from service.tracing import traceparent

log = structlog.get_logger()

OPERATION_OF: Mapping[DeadlineKind, str] = {
    DeadlineKind.PAYMENT: "expire_escrow",
    DeadlineKind.DELIVERY: "miss_delivery",
    DeadlineKind.INSPECTION: "release_after_inspection",
    DeadlineKind.ANSWER: "end_unanswered",
    DeadlineKind.DISPUTE: "end_undecided",
    DeadlineKind.HOLD_LIMIT: "warn_of_hold_limit",
    DeadlineKind.EVIDENCE: "warn_of_evidence",
}
WARNINGS = frozenset({DeadlineKind.HOLD_LIMIT, DeadlineKind.EVIDENCE})
"""What moves nothing, and is said in the log as well as in the timeline."""


async def act_on_deadline(runtime: Runtime, due: DueDeadline) -> bool:
    """False when it no longer runs, was moved, or is put off because of a refusal.

    Raises:
        DatabaseUnavailable: the lease brings it back. Anything else is a bug, and it is put off.
    """
    try:
        return await _act(runtime, due)
    except DatabaseUnavailable:
        raise
    except Refusal as refused:
        log.warning("deadline put off", deadline=due.public_id, problem=refused.message)
        await _put_off(runtime, due, refused.reason())
        return False
    except Exception:
        await _put_off(runtime, due, "INTERNAL")
        raise


async def _put_off(runtime: Runtime, due: DueDeadline, refusal: str) -> None:
    until = runtime.clock() + pause_after(due.tries)
    await put_off_deadline(runtime.pool, due, until, refusal)


async def _act(runtime: Runtime, due: DueDeadline) -> bool:
    kind = DeadlineKind(due.kind)
    key = f"{due.public_id}:{due.tries}"
    call = Call(due.tenant_id, "worker", Party.TIMER, key, traceparent())

    async def story(unit: UnitOfWork) -> bool:
        case = await open_case(runtime, unit, due.escrow_id)
        found = (d for d in case.records.deadlines if d.deadline_id == due.deadline_id)
        deadline = next(found, None)
        if deadline is None or deadline.act_at is None or deadline.act_at > unit.now:
            return False
        ACTS[kind](case, deadline)
        await runtime.commit(unit)
        if kind in WARNINGS:
            log.warning(
                "deadline nears", deadline=due.public_id, tenant=due.tenant_id, note=unit.note
            )
        return True

    async def attempt(_: bool) -> bool:
        return await rerun(runtime, call, OPERATION_OF[kind], story)

    try:
        return await ending_payments(runtime, call, attempt)
    except Answered:
        return False
    except EscrowMissing:  # its row names none: verification says so
        await _put_off(runtime, due, EscrowMissing.reason())
        return False


def _expire(case: EscrowCase, _: Deadline) -> None:
    """What awaits funds expires; what arrives later goes to suspense."""
    listed = case.records.milestones
    unpaid = [each for each in listed if each.state is MilestoneState.AWAITING_FUNDS]
    check_no_open(case, unpaid)
    for milestone in unpaid:
        case.advance(milestone, MilestoneEvent.EXPIRE)


def _miss(case: EscrowCase, deadline: Deadline) -> None:
    """The payer may cancel from now on; the timeline says so."""
    milestone = case.milestone(deadline.subject_id)
    case.touch()
    case.records.deadlines.remove(deadline)
    case.unit.remove(deadline)
    case.keep_time()  # an extension of it that was asked for lapses
    case.unit.note = f"{milestone.public_id} was not delivered by its due date"


def _release(case: EscrowCase, deadline: Deadline) -> None:
    """All that is not frozen; a frozen rest waits for its freeze to be lifted."""
    milestone = case.milestone(deadline.subject_id)
    case.unit.note = f"{milestone.public_id}: the inspection period is over"
    release_part(
        case, milestone, None, whole=MilestoneEvent.RELEASE, part=MilestoneEvent.RELEASE_PART
    )
    if milestone.held_minor:
        put_off(case.unit, deadline, AmountFrozen.reason())


def _end_unanswered(case: EscrowCase, deadline: Deadline) -> None:
    """What one party asked lapses, or a cancellation is done, as the policy says."""
    found = (p for p in case.records.proposals if p.proposal_id == deadline.subject_id)
    proposal = next(found)
    case.touch()
    unanswered = case.policy.unanswered_cancellation
    if silence_approves(unanswered, proposal, case.records.milestones):
        carry_out_cancellation(case, proposal)
    else:
        case.unit.advance(proposal, ProposalEvent.LAPSE)
    case.keep_time()
    case.unit.note = f"{proposal.public_id} was not answered in time"


def _end_undecided(case: EscrowCase, deadline: Deadline) -> None:
    """Nobody has moved a dispute on: an operator decides, or the policy has."""
    dispute = dispute_of(case, deadline.subject_id)
    policy, state = case.policy, dispute.state
    opener_wins = silence_grants(dispute, policy.unanswered_dispute)
    said = "was not decided in time"
    if state is DisputeState.OPEN and opener_wins:
        to_payer_minor = dispute.still_to_payer(dispute.claim_minor)
        end_dispute(case, dispute, DisputeEvent.DEFAULT, to_payer_minor)
        said = "was not answered in time"
    elif state is DisputeState.MEDIATION:
        step_minor = charge_step_minor(dispute.currency)
        to_payer_minor = undecided_to_payer(dispute, policy.undecided_dispute, step_minor)
        end_dispute(case, dispute, DisputeEvent.DEFAULT, to_payer_minor)
    else:
        move(case, dispute, DisputeEvent.MEDIATE)
        said = "goes to mediation, for nobody has moved it on"
    case.unit.note = f"{dispute.public_id} {said}"


def _warn(case: EscrowCase, deadline: Deadline) -> None:
    """Money stays where it is: somebody has to release or refund it."""
    percent = next_warning(deadline)
    assert percent is not None
    case.touch()
    deadline.warned_percent = percent
    deadline.tries += 1
    wait_for_warning(deadline)
    case.unit.put(deadline)
    milestone_id = ids.show(ids.MILESTONE, deadline.subject_id)
    case.unit.note = (
        f"{milestone_id}: {percent} % of the time have passed for which Stripe lets money be held;"
        f" it ends at {deadline.due_at:%Y-%m-%d %H:%M} UTC"
    )


def _warn_of_evidence(case: EscrowCase, deadline: Deadline) -> None:
    """Silence loses a chargeback: somebody has to submit evidence, or let it be lost."""
    case.touch()
    deadline.tries += 1
    deadline.act_at = next_evidence_warning(deadline.due_at, case.unit.now)
    case.unit.put(deadline)
    hours_left = max(deadline.due_at - case.unit.now, timedelta()) // timedelta(hours=1)
    chargeback_id = ids.show(ids.CHARGEBACK, deadline.subject_id)
    case.unit.note = (
        f"{chargeback_id}: nobody has submitted evidence, and Stripe takes it for {hours_left} h"
        f" more, until {deadline.due_at:%Y-%m-%d %H:%M} UTC"
    )


ACTS: Mapping[DeadlineKind, Callable[[EscrowCase, Deadline], None]] = {
    DeadlineKind.PAYMENT: _expire,
    DeadlineKind.DELIVERY: _miss,
    DeadlineKind.INSPECTION: _release,
    DeadlineKind.ANSWER: _end_unanswered,
    DeadlineKind.DISPUTE: _end_undecided,
    DeadlineKind.HOLD_LIMIT: _warn,
    DeadlineKind.EVIDENCE: _warn_of_evidence,
}
