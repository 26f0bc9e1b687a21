"""Releases a funded milestone, whole or in part, delivered or not."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import ReleaseMilestoneRequest, ReleaseMilestoneResponse
from service.domain import ids
from service.domain.lifecycle import MilestoneEvent
from service.domain.unit import UnitOfWork
from service.operations.escrow_case import open_case
from service.operations.house import House, mutation
from service.operations.messages import escrow_message


@mutation(ReleaseMilestoneResponse)
async def release_milestone(
    house: House, unit: UnitOfWork, request: ReleaseMilestoneRequest
) -> ReleaseMilestoneResponse:
    """Raises EscrowMissing, MilestoneMissing, StaleEtag, WrongState, PartyNotAllowed.

    AmountAboveHeld: more than what is held and not frozen.
    """
    case = await open_case(house, unit, ids.read(request.escrow_id), etag=request.etag)
    milestone = case.milestone(ids.read(request.milestone_id))
    amount_minor = request.amount_minor if request.HasField("amount_minor") else None
    case.release(
        milestone,
        amount_minor,
        whole=MilestoneEvent.RELEASE,
        part=MilestoneEvent.RELEASE_PART,
    )
    return await house.save(unit, ReleaseMilestoneResponse(escrow=escrow_message(case.records)))
