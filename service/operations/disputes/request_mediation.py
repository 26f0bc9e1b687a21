"""One of two who negotiate asks an operator to decide."""

from __future__ import annotations

from escrow.v1 import dispute_service_pb2 as pb
from service.aggregates.dispute import dispute_of, move
from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.errors import WrongState
from service.domain.states.dispute import DisputeEvent, DisputeState
from service.domain.unit import UnitOfWork
from service.operations.disputes.messages import dispute_in
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(pb.RequestMediationResponse)
async def request_mediation(
    runtime: Runtime, unit: UnitOfWork, request: pb.RequestMediationRequest
) -> pb.RequestMediationResponse:
    """Raises EscrowMissing, DisputeMissing, StaleEtag, DisputeOver, PartyNotAllowed.

    WrongState: the other party has not answered, or it is mediated already.
    """
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    dispute = dispute_of(case, ids.parse(request.dispute_id))
    if dispute.state is DisputeState.OPEN:  # only its timer goes on from there without an answer
        named, answers = dispute.public_id, dispute.other_party
        says = f"{named} is OPEN: first the {answers} answers it (RespondToDispute)."
        raise WrongState(says, dispute_id=named, state=dispute.state, event=DisputeEvent.MEDIATE)
    move(case, dispute, DisputeEvent.MEDIATE)
    return await runtime.finish(
        unit,
        lambda: pb.RequestMediationResponse(
            dispute=dispute_in(case.records, dispute), escrow=escrow_message(case.records)
        ),
    )
