"""Disputes as messages."""

from __future__ import annotations

from collections.abc import Mapping

from escrow.v1 import dispute_service_pb2 as pb
from service.aggregates.dispute import deadline_of
from service.domain import ids
from service.domain.records.deadline import Deadline
from service.domain.records.dispute import Dispute
from service.operations.escrows.messages import deadline_message
from service.operations.messages import money, timestamp
from service.store.disputes import DisputeRow
from service.store.tables import EscrowRecords


def dispute_message(dispute: Dispute, deadline: Deadline | None) -> pb.Dispute:
    """``deadline`` is its own, while it is open."""
    currency = dispute.currency
    return pb.Dispute(
        id=dispute.public_id,
        escrow_id=ids.show(ids.ESCROW, dispute.escrow_id),
        milestone_id=ids.show(ids.MILESTONE, dispute.milestone_id),
        state=pb.DisputeState.Value(f"DISPUTE_STATE_{dispute.state}"),
        opened_by=dispute.opened_by,
        amount=money(dispute.amount_minor, currency),
        claim=money(dispute.claim_minor, currency),
        reason=pb.DisputeReason.Value(f"DISPUTE_REASON_{dispute.reason}"),
        statement=dispute.statement,
        lost=money(dispute.lost_minor, currency) if dispute.lost_minor else None,
        answer=dispute.answer or "",
        answer_time=timestamp(dispute.answered_at),
        offer=_offer(dispute),
        deadline=deadline_message(deadline) if deadline else None,
        outcome=_outcome(dispute),
        create_time=timestamp(dispute.created_at),
        update_time=timestamp(dispute.updated_at),
        end_time=timestamp(dispute.ended_at),
    )


def dispute_in(records: EscrowRecords, dispute: Dispute) -> pb.Dispute:
    """Of an escrow that is loaded."""
    return dispute_message(dispute, deadline_of(records, dispute))


def row_message(row: DisputeRow) -> pb.Dispute:
    return dispute_message(row.dispute, row.deadline)


def _offer(dispute: Dispute) -> pb.DisputeOffer | None:
    offer = dispute.offer
    if offer is None:
        return None
    return pb.DisputeOffer(
        number=offer.number,
        offered_by=offer.by,
        to_payer=money(offer.to_payer_minor, dispute.currency),
        payees=_shares(offer.to_payees),
    )


def _outcome(dispute: Dispute) -> pb.DisputeOutcome | None:
    if dispute.to_payer_minor is None:
        return None
    return pb.DisputeOutcome(
        to_payer=money(dispute.to_payer_minor, dispute.currency),
        payees=_shares(dispute.to_payees),
        decided_by=dispute.decided_by or "",
        reason=dispute.decision or "",
    )


def _shares(to_payees: Mapping[str, int]) -> list[pb.DisputeShare]:
    return [
        pb.DisputeShare(payee_id=payee_id, amount_minor=amount_minor)
        for payee_id, amount_minor in sorted(to_payees.items())
    ]
