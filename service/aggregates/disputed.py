"""What is frozen for disputes between the parties, where others freeze the same money.

The same money is frozen once. What a bank or an operator freezes of a milestone is taken to be what
the parties argue about, as far as that goes: their disputes hold only what is beyond it, the oldest
dispute the least, and hold their part again when the other freeze ends. What is kept for the payer
of a dispute that has ended is no part of the others.
"""

from __future__ import annotations

from uuid import UUID

from service.aggregates.escrow import EscrowCase
from service.domain.records.dispute import Dispute
from service.domain.records.escrow import Milestone
from service.domain.records.freeze import Freeze, FreezeReason
from service.store.tables import EscrowRecords


def open_disputes(records: EscrowRecords, milestone: Milestone) -> list[Dispute]:
    """Those of a milestone, the oldest first."""
    ours = milestone.milestone_id
    return [each for each in records.disputes if each.is_open and each.milestone_id == ours]


def disputed_minor(records: EscrowRecords, milestone: Milestone) -> int:
    """What of a milestone the parties argue about, whoever froze it."""
    return sum(each.left_minor for each in open_disputes(records, milestone))


def freeze_of(records: EscrowRecords, dispute: Dispute) -> Freeze:
    """Its own, of what nobody else has frozen."""
    return next(f for f in records.freezes if f.source == dispute.public_id)


def held_by_disputes(records: EscrowRecords, milestone: Milestone) -> int:
    """What their own freezes hold of a milestone, which others may freeze in their place."""
    ours = milestone.milestone_id
    return sum(
        each.amount_minor
        for each in records.freezes
        if each.is_open and each.reason is FreezeReason.DISPUTE and each.milestone_id == ours
    )


def frozen_by_others(records: EscrowRecords, milestone: Milestone) -> int:
    """What is frozen of a milestone that its disputes may be about: not what is kept for the payer,
    which a dispute that has ended gave back and Stripe refused to refund.
    """
    ours = milestone.milestone_id
    return sum(
        each.amount_minor
        for each in records.freezes
        if each.is_open and each.reason is not FreezeReason.DISPUTE and not each.keeps_refund
        if each.milestone_id == ours
    )


def missing_minor(records: EscrowRecords, dispute: Dispute) -> int:
    """What of a dispute others have frozen: while that is so it cannot move."""
    return dispute.left_minor - freeze_of(records, dispute).amount_minor


def yield_to(case: EscrowCase, milestone: Milestone, amount_minor: int) -> None:
    """Takes so much out of the disputes' freezes, for somebody else to freeze it."""
    for dispute in open_disputes(case.records, milestone):
        own = freeze_of(case.records, dispute)
        part_minor = min(amount_minor, own.amount_minor)
        amount_minor -= part_minor
        _hold(case, milestone, own, own.amount_minor - part_minor)


def hold_again(case: EscrowCase, payment_id: UUID) -> None:
    """Lets the disputes of what a payment paid hold what others no longer do."""
    for milestone in case.records.milestones:
        disputes = open_disputes(case.records, milestone)
        if milestone.payment_id != payment_id or not disputes:
            continue
        others_minor = frozen_by_others(case.records, milestone)
        for dispute in disputes:
            covered_minor = min(others_minor, dispute.left_minor)
            others_minor -= covered_minor
            own = freeze_of(case.records, dispute)
            most_minor = own.amount_minor + milestone.releasable_minor
            _hold(case, milestone, own, min(dispute.left_minor - covered_minor, most_minor))


def lose(case: EscrowCase, milestone: Milestone, amount_minor: int) -> list[Dispute]:
    """So much of what is held of a milestone was taken by the payer's bank, or by a refund at
    Stripe. It is lost to the disputes whose money others had frozen, the oldest first; an offer is
    void then, for it was of more. Answers those of which nothing is left.
    """
    ended = []
    for dispute in open_disputes(case.records, milestone):
        part_minor = min(amount_minor, missing_minor(case.records, dispute))
        if not part_minor:
            continue
        amount_minor -= part_minor
        dispute.lost_minor += part_minor
        dispute.void_offer()
        case.unit.put(dispute)
        if not dispute.left_minor:
            ended.append(dispute)
    return ended


def regain(case: EscrowCase, milestone: Milestone, amount_minor: int) -> int:
    """So much that a payer's bank, or a refund at Stripe, had taken is held again: it is what the
    parties argue about, where they still do; an offer is void then, for it was of less. Answers how
    much of it that is.
    """
    before_minor = amount_minor
    for dispute in open_disputes(case.records, milestone):
        part_minor = min(amount_minor, dispute.lost_minor)
        if part_minor:
            amount_minor -= part_minor
            dispute.lost_minor -= part_minor
            dispute.void_offer()
            case.unit.put(dispute)
    return before_minor - amount_minor


def _hold(case: EscrowCase, milestone: Milestone, own: Freeze, amount_minor: int) -> None:
    if amount_minor != own.amount_minor:
        milestone.frozen_minor += amount_minor - own.amount_minor
        own.amount_minor = amount_minor
        case.unit.put(own)
        case.unit.put(milestone)
