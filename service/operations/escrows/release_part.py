"""Releases a part of a milestone, or all of it, and sends the payee their share."""

from __future__ import annotations

from service.aggregates.escrow import EscrowCase
from service.aggregates.release import split_off
from service.domain.records.escrow import Milestone
from service.domain.states.milestone import MilestoneEvent
from service.domain.states.payee import PayeeState
from service.domain.states.release import ReleaseState
from service.effects import create_transfer


def release_part(
    case: EscrowCase,
    milestone: Milestone,
    amount_minor: int | None,
    *,
    whole: MilestoneEvent,
    part: MilestoneEvent,
) -> None:
    """Postings 5 and 5p; and 7a at once when the payee can be paid, else the money waits.

    ``amount_minor`` is all that is held and not frozen when None; see ``split_off`` for the events
    and for what is refused.
    """
    release = split_off(case, milestone, amount_minor, whole=whole, part=part)
    if release.state is ReleaseState.WAITING and case.payee.state is PayeeState.ACTIVE:
        create_transfer.plan(case, release)
