"""The payer asks for changes: a delivered milestone is funded again, and not delivered."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import RequestChangesRequest, RequestChangesResponse
from service.domain import ids
from service.domain.lifecycle import MilestoneEvent
from service.domain.unit import UnitOfWork
from service.operations.escrow_case import open_case
from service.operations.house import House, mutation
from service.operations.messages import escrow_message


@mutation(RequestChangesResponse)
async def request_changes(
    house: House, unit: UnitOfWork, request: RequestChangesRequest
) -> RequestChangesResponse:
    """Raises EscrowMissing, MilestoneMissing, StaleEtag, WrongState, PartyNotAllowed."""
    case = await open_case(house, unit, ids.read(request.escrow_id), etag=request.etag)
    milestone = case.milestone(ids.read(request.milestone_id))
    case.advance(milestone, MilestoneEvent.REQUEST_CHANGES)
    milestone.delivered_at = None
    unit.note = request.note
    return await house.save(unit, RequestChangesResponse(escrow=escrow_message(case.records)))
