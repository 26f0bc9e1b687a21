"""One party offers the other a split of what is disputed."""

from __future__ import annotations

from escrow.v1 import dispute_service_pb2 as pb
from service.aggregates.dispute import dispute_of, move
from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.errors import FieldViolation, InvalidField
from service.domain.money import format_minor
from service.domain.records.dispute import Dispute, Offer
from service.domain.states.dispute import DISPUTE, DisputeEvent
from service.domain.unit import UnitOfWork
from service.operations.disputes.messages import dispute_in
from service.operations.disputes.split import check_split, named_payees
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(pb.ProposeDisputeSplitResponse)
async def propose_dispute_split(
    runtime: Runtime, unit: UnitOfWork, request: pb.ProposeDisputeSplitRequest
) -> pb.ProposeDisputeSplitResponse:
    """Raises EscrowMissing, DisputeMissing, StaleEtag, DisputeOver, WrongState, PartyNotAllowed,
    AmountNotMultiple.

    InvalidField: it is missing, or more than what is disputed; a payee is named twice.
    SplitDoesNotAddUp: with the payees it is more or less than what is disputed.
    ShareAboveHeld: it is more than what is held for a payee.
    """
    if not request.HasField("to_payer_minor"):
        raise InvalidField(FieldViolation("to_payer_minor", "is required; 0 is an offer, too"))
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    dispute = dispute_of(case, ids.parse(request.dispute_id))
    DISPUTE.follow(dispute.public_id, dispute.state, DisputeEvent.OFFER, unit.party)
    among = named_payees(request, dispute.currency)
    _check_most(dispute, request.to_payer_minor)
    check_split(case, dispute, request.to_payer_minor, among)
    to_payees = {ids.show(ids.PAYEE, each): minor for each, minor in (among or {}).items()}
    offer = dispute.make_offer(unit.party, request.to_payer_minor, to_payees)
    move(case, dispute, DisputeEvent.OFFER)
    unit.note = f"{dispute.public_id}: {_in_words(offer, dispute.currency)}"
    return await runtime.finish(
        unit,
        lambda: pb.ProposeDisputeSplitResponse(
            dispute=dispute_in(case.records, dispute), escrow=escrow_message(case.records)
        ),
    )


def _check_most(dispute: Dispute, to_payer_minor: int) -> None:
    if to_payer_minor > dispute.left_minor:
        problem = f"must be at most what is disputed, {dispute.left_minor}"
        raise InvalidField(FieldViolation("to_payer_minor", problem))


def _in_words(offer: Offer, currency: str) -> str:
    shares = {"the payer": offer.to_payer_minor} | offer.to_payees
    given = (f"{format_minor(minor, currency)} to {who}" for who, minor in shares.items())
    return f"offer {offer.number}, {', '.join(given)}"
