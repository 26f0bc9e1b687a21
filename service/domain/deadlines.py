"""What runs against time, by the states of the milestones: THE table, and how long it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from service.domain.amendment import changes_of, never_fits
from service.domain.cancellation import CANCELABLE
from service.domain.records.deadline import Deadline, DeadlineKind
from service.domain.records.escrow import Milestone
from service.domain.records.proposal import Proposal, ProposalKind
from service.domain.states.milestone import MilestoneState

M, K = MilestoneState, DeadlineKind

AT_WORK: Mapping[MilestoneState, DeadlineKind] = {
    M.FUNDED: K.DELIVERY,
    M.DELIVERED: K.INSPECTION,
}
"""What runs while a milestone waits for one of the parties."""
WITH_STRIPE = frozenset({M.RELEASING, M.REFUNDING})
"""Where a milestone waits for Stripe, whose answer the workers look for, or until its payee can be
paid. What was held of it still is.
"""

HELD_AT_MOST: Mapping[str, timedelta] = {"US": timedelta(days=730), "TH": timedelta(days=10)}
HELD_AT_MOST_ELSEWHERE = timedelta(days=90)
"""For how long Stripe lets money be held, by the payee's country."""
WARN_AT_PERCENT = (75, 90, 100)

WARN_OF_EVIDENCE = (timedelta(hours=72), timedelta(hours=24))
"""How long before Stripe takes no more evidence people are warned."""

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""Who names a date so far away means none."""

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)

Running = tuple[DeadlineKind, UUID]


def running(escrow_id: UUID, milestones: Iterable[Milestone]) -> Iterator[Running]:
    """What has to run, by kind and what it is of. While one milestone is at work, those that are
    to be paid later are not overdue.
    """
    listed = list(milestones)
    for milestone in listed:
        if milestone.state in AT_WORK:
            yield AT_WORK[milestone.state], milestone.milestone_id
        if milestone.state in AT_WORK or milestone.state in WITH_STRIPE:
            yield K.HOLD_LIMIT, milestone.milestone_id
    states = {milestone.state for milestone in listed}
    if M.AWAITING_FUNDS in states and not states & AT_WORK.keys():
        yield K.PAYMENT, escrow_id


def is_over(
    proposal: Proposal, milestones: Iterable[Milestone], deadlines: Iterable[Deadline]
) -> bool:
    """Whether nothing is left of what a proposal is about."""
    if proposal.kind is ProposalKind.EXTENSION:
        return all(each.deadline_id != proposal.deadline_id for each in deadlines)
    if proposal.kind is ProposalKind.AMENDMENT:
        return never_fits(changes_of(proposal), milestones)
    open_ = {each.public_id for each in milestones if each.state in CANCELABLE}
    return open_.isdisjoint(proposal.milestone_ids)


def held_at_most(country: str) -> timedelta:
    return HELD_AT_MOST.get(country, HELD_AT_MOST_ELSEWHERE)


def percent_of(deadline: Deadline, percent: int) -> datetime:
    """When so much of its time has passed."""
    return deadline.starts_at + (deadline.due_at - deadline.starts_at) * percent / 100


def next_warning(deadline: Deadline) -> int | None:
    """The next of the percentages at which people are warned."""
    return next((each for each in WARN_AT_PERCENT if each > deadline.warned_percent), None)


def next_evidence_warning(due_at: datetime, now: datetime) -> datetime | None:
    """When people are warned next; None where no warning is left."""
    return next((due_at - each for each in WARN_OF_EVIDENCE if due_at - each > now), None)


def pause_after(tries: int) -> timedelta:
    """For how long a deadline is put off that was refused so often before."""
    return min(FIRST_PAUSE * (1 << min(tries, 10)), LONGEST_PAUSE)
