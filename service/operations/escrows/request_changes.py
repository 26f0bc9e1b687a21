"""The payer asks for changes: a delivered milestone is funded again, and not delivered. That it was
delivered once stays with it: the payer, who has had the work, does not cancel it alone any more.
"""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import RequestChangesRequest, RequestChangesResponse
from service.aggregates.deadlines import inspection_of
from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.errors import InspectionOver
from service.domain.states.milestone import MilestoneEvent
from service.domain.unit import UnitOfWork
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(RequestChangesResponse)
async def request_changes(
    runtime: Runtime, unit: UnitOfWork, request: RequestChangesRequest
) -> RequestChangesResponse:
    """Raises EscrowMissing, MilestoneMissing, StaleEtag, WrongState, PartyNotAllowed.

    InspectionOver: a worker that is late, or a freeze, has not released it yet.
    """
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    milestone = case.milestone(ids.parse(request.milestone_id))
    inspection = inspection_of(case.records, milestone.milestone_id)
    case.advance(milestone, MilestoneEvent.REQUEST_CHANGES)
    if inspection is not None and inspection.due_at <= unit.now:
        raise InspectionOver(milestone_id=milestone.public_id)
    unit.note = request.note
    return await runtime.finish(
        unit, lambda: RequestChangesResponse(escrow=escrow_message(case.records))
    )
