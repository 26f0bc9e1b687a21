"""One party offers the other a split of what is disputed."""

from __future__ import annotations

from escrow.v1 import dispute_service_pb2 as pb
from service.aggregates.dispute import dispute_of, move
from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.errors import FieldViolation, InvalidField, check_multiples
from service.domain.money import charge_step_minor, format_minor
from service.domain.records.dispute import Dispute
from service.domain.states.dispute import DISPUTE, DisputeEvent
from service.domain.unit import UnitOfWork
from service.operations.disputes.messages import dispute_in
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(pb.ProposeDisputeSplitResponse)
async def propose_dispute_split(
    runtime: Runtime, unit: UnitOfWork, request: pb.ProposeDisputeSplitRequest
) -> pb.ProposeDisputeSplitResponse:
    """Raises EscrowMissing, DisputeMissing, StaleEtag, DisputeOver, WrongState, PartyNotAllowed,
    AmountNotMultiple.

    InvalidField: it is missing, or more than what is disputed.
    """
    if not request.HasField("to_payer_minor"):
        raise InvalidField(FieldViolation("to_payer_minor", "is required; 0 is an offer, too"))
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    dispute = dispute_of(case, ids.parse(request.dispute_id))
    DISPUTE.follow(dispute.state, DisputeEvent.OFFER, unit.party)
    _check(dispute, request.to_payer_minor)
    dispute.offer_number += 1
    dispute.offer_by, dispute.offer_minor = unit.party, request.to_payer_minor
    move(case, dispute, DisputeEvent.OFFER)
    shown = format_minor(request.to_payer_minor, dispute.currency)
    unit.note = f"{dispute.public_id}: offer {dispute.offer_number}, {shown} to the payer"
    return await runtime.finish(
        unit,
        lambda: pb.ProposeDisputeSplitResponse(
            dispute=dispute_in(case.records, dispute), escrow=escrow_message(case.records)
        ),
    )


def _check(dispute: Dispute, to_payer_minor: int) -> None:
    currency = dispute.currency
    check_multiples({"to_payer_minor": to_payer_minor}, charge_step_minor(currency), currency)
    if to_payer_minor > dispute.left_minor:
        problem = f"must be at most what is disputed, {dispute.left_minor}"
        raise InvalidField(FieldViolation("to_payer_minor", problem))
