"""The payee says that a funded milestone is delivered."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import SubmitDeliveryRequest, SubmitDeliveryResponse
from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.states.milestone import MilestoneEvent
from service.domain.unit import UnitOfWork
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(SubmitDeliveryResponse)
async def submit_delivery(
    runtime: Runtime, unit: UnitOfWork, request: SubmitDeliveryRequest
) -> SubmitDeliveryResponse:
    """Raises EscrowMissing, MilestoneMissing, StaleEtag, WrongState, PartyNotAllowed."""
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    milestone = case.milestone(ids.parse(request.milestone_id))
    case.advance(milestone, MilestoneEvent.DELIVER)
    milestone.delivered_at = unit.now
    unit.note = request.note
    return await runtime.finish(
        unit, lambda: SubmitDeliveryResponse(escrow=escrow_message(case.records))
    )
