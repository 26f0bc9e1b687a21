"""The payer accepts a delivered milestone: all that is held and not frozen is released."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import AcceptDeliveryRequest, AcceptDeliveryResponse
from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.states.milestone import MilestoneEvent
from service.domain.unit import UnitOfWork
from service.operations.escrows.messages import escrow_message
from service.operations.escrows.release_part import release_part
from service.operations.mutation import mutation
from service.operations.origin import check_origin, keep_origin
from service.runtime import Runtime


@mutation(AcceptDeliveryResponse)
async def accept_delivery(
    runtime: Runtime, unit: UnitOfWork, request: AcceptDeliveryRequest
) -> AcceptDeliveryResponse:
    """Raises InvalidField, EscrowMissing, MilestoneMissing, StaleEtag, WrongState,
    PartyNotAllowed.
    """
    check_origin(request)
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    milestone = case.milestone(ids.parse(request.milestone_id))
    release_part(
        case, milestone, None, whole=MilestoneEvent.ACCEPT, part=MilestoneEvent.ACCEPT_PART
    )
    keep_origin(case, request)
    return await runtime.finish(
        unit, lambda: AcceptDeliveryResponse(escrow=escrow_message(case.records))
    )
