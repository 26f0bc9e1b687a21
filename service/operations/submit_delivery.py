"""The payee says that a funded milestone is delivered."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import SubmitDeliveryRequest, SubmitDeliveryResponse
from service.domain import ids
from service.domain.lifecycle import MilestoneEvent
from service.domain.unit import UnitOfWork
from service.operations.escrow_case import open_case
from service.operations.house import House, mutation
from service.operations.messages import escrow_message


@mutation(SubmitDeliveryResponse)
async def submit_delivery(
    house: House, unit: UnitOfWork, request: SubmitDeliveryRequest
) -> SubmitDeliveryResponse:
    """Raises EscrowMissing, MilestoneMissing, StaleEtag, WrongState, PartyNotAllowed."""
    case = await open_case(house, unit, ids.read(request.escrow_id), etag=request.etag)
    milestone = case.milestone(ids.read(request.milestone_id))
    case.advance(milestone, MilestoneEvent.DELIVER)
    milestone.delivered_at = unit.now
    unit.note = request.note
    return await house.save(unit, SubmitDeliveryResponse(escrow=escrow_message(case.records)))
