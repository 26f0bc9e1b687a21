"""The payer accepts a delivered milestone: all that is held and not frozen is released."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import AcceptDeliveryRequest, AcceptDeliveryResponse
from service.domain import ids
from service.domain.lifecycle import MilestoneEvent
from service.domain.unit import UnitOfWork
from service.operations.escrow_case import open_case
from service.operations.house import House, mutation
from service.operations.messages import escrow_message


@mutation(AcceptDeliveryResponse)
async def accept_delivery(
    house: House, unit: UnitOfWork, request: AcceptDeliveryRequest
) -> AcceptDeliveryResponse:
    """Raises EscrowMissing, MilestoneMissing, StaleEtag, WrongState, PartyNotAllowed."""
    case = await open_case(house, unit, ids.read(request.escrow_id), etag=request.etag)
    milestone = case.milestone(ids.read(request.milestone_id))
    case.release(milestone, None, whole=MilestoneEvent.ACCEPT, part=MilestoneEvent.ACCEPT_PART)
    return await house.save(unit, AcceptDeliveryResponse(escrow=escrow_message(case.records)))
