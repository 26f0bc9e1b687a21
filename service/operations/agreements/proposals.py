"""What every proposal has in common: who may ask, who may answer, and what is done then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from service.aggregates.amendment import amend, check_fits
from service.aggregates.blockers import ANSWERS
from service.aggregates.escrow import EscrowCase
from service.domain.amendment import Change
from service.domain.call import Party
from service.domain.cancellation import CANCELABLE
from service.domain.deadlines import NEVER
from service.domain.errors import PartyNotAllowed, ProposalOpen, ProposalsExhausted
from service.domain.records.proposal import Proposal, ProposalKind
from service.domain.records.refund import Refund
from service.domain.states.proposal import ProposalEvent, ProposalState
from service.operations.escrows.cancel_milestones import cancel_milestones
from service.operations.escrows.ending_payments import check_no_open

MOST_PROPOSALS = 50
"""Of one escrow, ever, by each party and by operators: each is loaded with it, and nobody uses up
what another may ask.
"""


def propose(
    case: EscrowCase,
    kind: ProposalKind,
    reason: str,
    *,
    milestone_ids: Sequence[str] = (),
    deadline_id: UUID | None = None,
    due_at: datetime | None = None,
    changes: Sequence[Change] = (),
) -> Proposal:
    """Until ``case.keep_time()`` it has no deadline.

    Raises:
        ProposalOpen: the same is asked for already. ProposalsExhausted.
    """
    for other in case.records.proposals:
        same = other.kind is kind and other.deadline_id == deadline_id
        apart = kind is ProposalKind.CANCELLATION and set(milestone_ids).isdisjoint(
            other.milestone_ids
        )
        if other.is_open and same and not apart:
            raise _open(case, other)
    unit = case.unit
    if sum(each.proposed_by is unit.party for each in case.records.proposals) >= MOST_PROPOSALS:
        raise ProposalsExhausted(escrow_id=case.escrow.public_id)
    unit.decided()
    proposal = Proposal(
        tenant_id=case.escrow.tenant_id,
        escrow_id=case.escrow.escrow_id,
        proposal_id=unit.new_id(),
        kind=kind,
        state=ProposalState.OPEN,
        proposed_by=unit.party,
        reason=reason,
        created_at=unit.now,
        updated_at=unit.now,
        milestone_ids=list(milestone_ids),
        deadline_id=deadline_id,
        due_at=due_at,
        changes=[each.document() for each in changes],
    )
    case.touch()
    case.records.proposals.append(proposal)
    unit.create(proposal)
    return proposal


def _open(case: EscrowCase, other: Proposal) -> ProposalOpen:
    """Names what is in the way, until when it is, and what ends it."""
    ends = [d.due_at for d in case.records.deadlines if d.subject_id == other.proposal_id]
    return ProposalOpen(
        proposal_id=other.public_id,
        kind=other.kind.lower(),
        proposed_by=other.proposed_by,
        ends_at=ends[0] if ends else NEVER,  # each has one, but in damaged rows
        methods=", ".join(ANSWERS[other.kind]),
    )


def approve(case: EscrowCase, proposal: Proposal) -> None:
    """Raises WrongState. PartyNotAllowed: also for who has asked for it."""
    party = case.unit.party
    if party is proposal.proposed_by:
        other = Party.PAYEE if party is Party.PAYER else Party.PAYER
        raise PartyNotAllowed(
            "You have asked for this yourself: the other party answers, or an operator.",
            party=party,
            allowed=", ".join(sorted((other, Party.OPERATOR))),
        )
    case.unit.advance(proposal, ProposalEvent.APPROVE)


def decline(case: EscrowCase, proposal: Proposal) -> None:
    """Who had asked withdraws it.

    Raises:
        WrongState, PartyNotAllowed.
    """
    own = case.unit.party is proposal.proposed_by
    case.touch()
    case.unit.advance(proposal, ProposalEvent.WITHDRAW if own else ProposalEvent.DECLINE)
    case.keep_time()


def carry_out_cancellation(
    case: EscrowCase, proposal: Proposal, *, dry_run: bool = False
) -> list[Refund]:
    """Approves it, and cancels those of its milestones that are not at their end.

    Raises:
        OpenPayment, and as ``approve`` and ``cancel_milestones``.
    """
    approve(case, proposal)
    listed = case.records.milestones
    asked = [each for each in listed if each.public_id in proposal.milestone_ids]
    chosen = [each for each in asked if each.state in CANCELABLE]
    if not dry_run:
        check_no_open(case, chosen)
    return cancel_milestones(case, chosen, proposal.reason)


def carry_out_amendment(case: EscrowCase, proposal: Proposal, changes: Sequence[Change]) -> None:
    """Changes what was agreed, of a proposal that was approved just now.

    Raises:
        AmendmentBlocked: it cannot be done any more, or is not what was seen.
    """
    check_fits(case, changes, proposal.proposed_by)
    amend(case, changes)
    proposal.agreed_version = case.escrow.version
    case.unit.put(proposal)


def open_extensions(case: EscrowCase, deadline_id: UUID) -> Iterable[Proposal]:
    """What is asked of a deadline, and not answered."""
    return (p for p in case.records.proposals if p.is_open and p.deadline_id == deadline_id)
