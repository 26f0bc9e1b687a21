"""Who may cancel what by themselves, and until when (the table of ledger.md, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from service.domain.call import Party
from service.domain.policy import Periods, Unanswered
from service.domain.records.escrow import Milestone
from service.domain.records.proposal import Proposal, ProposalKind
from service.domain.states.milestone import MilestoneState

M = MilestoneState
CANCELABLE = frozenset({M.AWAITING_FUNDS, M.FUNDED, M.DELIVERED})
"""What is not at its end, and not on its way there."""


def is_missed(due_at: datetime, funded_at: datetime | None, now: datetime) -> bool:
    """Whether a due date has passed. What was paid for after its date nobody has missed."""
    return due_at <= now and (funded_at is None or funded_at < due_at)


class Asked(NamedTuple):
    """What is asked of a milestone. ``funded_at`` is when it was paid; None while it is not."""

    milestone: Milestone
    funded_at: datetime | None
    periods: Periods
    now: datetime

    @property
    def window_ends_at(self) -> datetime:
        """Until when the payer may cancel what they have paid for."""
        return (self.funded_at or self.now) + timedelta(hours=self.periods.cancellation_hours)

    @property
    def missed(self) -> bool:
        """Whether its due date has passed, and nothing was delivered."""
        due_at = self.milestone.due_at
        return due_at is not None and is_missed(due_at, self.funded_at, self.now)


def _of_payer(asked: Asked) -> str:
    if asked.milestone.state is M.DELIVERED:
        return "it is delivered: accept it, ask for changes, or ask the payee to cancel"
    if asked.milestone.is_sent_back:  # they have seen the work
        return "it was delivered, and sent back for changes: ask the payee to cancel, or dispute it"
    unpaid = asked.milestone.state is M.AWAITING_FUNDS
    if unpaid or asked.missed or asked.now < asked.window_ends_at:
        return ""
    return f"payers could cancel it until {asked.window_ends_at:%Y-%m-%d %H:%M:%S} UTC"


def _of_anybody(_: Asked) -> str:
    return ""


RULES: Mapping[Party, Callable[[Asked], str]] = {
    Party.PAYER: _of_payer,
    Party.PAYEE: _of_anybody,  # it gives the money back
    Party.OPERATOR: _of_anybody,
}


def what_blocks(party: Party, asked: Asked) -> str:
    """What keeps a party from canceling a milestone by itself; "" when nothing does."""
    return RULES[party](asked)


def silence_approves(
    unanswered: Unanswered, proposal: Proposal, milestones: Iterable[Milestone]
) -> bool:
    """Whether a cancellation is done that nobody has answered. Not where some of it was paid for
    since: what nobody had paid for then was another thing to say nothing about.
    """
    paid_since = any(
        each.funded_at is not None
        and each.funded_at > proposal.created_at
        and each.public_id in proposal.milestone_ids
        for each in milestones
    )
    is_cancellation = proposal.kind is ProposalKind.CANCELLATION
    return is_cancellation and unanswered is Unanswered.APPROVED and not paid_since
