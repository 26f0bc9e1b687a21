"""Who opened a dispute takes it back: what it froze is as before."""

from __future__ import annotations

from escrow.v1 import dispute_service_pb2 as pb
from service.aggregates.dispute import close, dispute_of, give_time_back
from service.aggregates.escrow import open_case
from service.aggregates.freeze import let_move
from service.domain import ids
from service.domain.errors import PartyNotAllowed
from service.domain.states.dispute import DisputeEvent
from service.domain.unit import UnitOfWork
from service.operations.disputes.messages import dispute_in
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(pb.WithdrawDisputeResponse)
async def withdraw_dispute(
    runtime: Runtime, unit: UnitOfWork, request: pb.WithdrawDisputeRequest
) -> pb.WithdrawDisputeResponse:
    """Raises EscrowMissing, DisputeMissing, StaleEtag, DisputeOver.

    PartyNotAllowed: the other party has opened it.
    """
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    dispute = dispute_of(case, ids.parse(request.dispute_id))
    if unit.party is not dispute.opened_by:
        says = "Only who has opened a dispute withdraws it: answer it with RespondToDispute."
        raise PartyNotAllowed(says, party=unit.party, allowed=dispute.opened_by)
    close(case, dispute, DisputeEvent.WITHDRAW)
    payment_id = case.milestone(dispute.milestone_id).payment_id
    assert payment_id is not None  # held money came by a payment
    let_move(case, payment_id)
    give_time_back(case, dispute)
    return await runtime.finish(
        unit,
        lambda: pb.WithdrawDisputeResponse(
            dispute=dispute_in(case.records, dispute), escrow=escrow_message(case.records)
        ),
    )
