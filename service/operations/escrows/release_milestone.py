"""Releases a funded milestone, whole or in part, delivered or not."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import ReleaseMilestoneRequest, ReleaseMilestoneResponse
from service.aggregates.escrow import open_case
from service.aggregates.neutral import check_neutral
from service.domain import ids
from service.domain.states.milestone import MilestoneEvent
from service.domain.unit import UnitOfWork
from service.operations.escrows.messages import escrow_message
from service.operations.escrows.release_part import release_part
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(ReleaseMilestoneResponse)
async def release_milestone(
    runtime: Runtime, unit: UnitOfWork, request: ReleaseMilestoneRequest
) -> ReleaseMilestoneResponse:
    """Raises EscrowMissing, MilestoneMissing, StaleEtag, WrongState, PartyNotAllowed.

    AmountAboveHeld: more than what is held and not frozen.
    ResolverIsParty: an operator who has acted for a party in a dispute of it.
    """
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    check_neutral(case)
    milestone = case.milestone(ids.parse(request.milestone_id))
    amount_minor = request.amount_minor if request.HasField("amount_minor") else None
    release_part(
        case,
        milestone,
        amount_minor,
        whole=MilestoneEvent.RELEASE,
        part=MilestoneEvent.RELEASE_PART,
    )
    return await runtime.finish(
        unit, lambda: ReleaseMilestoneResponse(escrow=escrow_message(case.records))
    )
