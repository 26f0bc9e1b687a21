"""Releases a part of a milestone, or all of it, and sends each payee their share."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from service.aggregates.escrow import EscrowCase
from service.aggregates.freeze import stops_transfers
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
    among: Mapping[UUID, int] | None = None,
) -> None:
    """Postings 5 and 5p; and 7a at once when its payee can be paid and the payment is confirmed.
    Else the money waits for the worker of transfers, which confirms the payment first.

    ``amount_minor`` is all that is held and not frozen when None; see ``split_off`` for the events
    and for what is refused.
    """
    for release in split_off(case, milestone, amount_minor, whole=whole, part=part, among=among):
        ready = (
            case.payee(release.payee_id).state is PayeeState.ACTIVE
            and case.payment(release.payment_id).confirmed
            and not stops_transfers(case.records, release.payment_id)
        )
        if release.state is ReleaseState.WAITING and ready:
            create_transfer.plan(case, release)
