"""An operator lets a frozen amount move again."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import LiftFreezeRequest, LiftFreezeResponse
from service.aggregates.escrow import open_case
from service.aggregates.freeze import lift
from service.aggregates.neutral import check_neutral
from service.domain import ids
from service.domain.unit import UnitOfWork
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(LiftFreezeResponse)
async def lift_freeze(
    runtime: Runtime, unit: UnitOfWork, request: LiftFreezeRequest
) -> LiftFreezeResponse:
    """Raises EscrowMissing, FreezeMissing, StaleEtag, WrongState, PartyNotAllowed.

    ResolverIsParty: they have acted for a party in a dispute of it.
    """
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    check_neutral(case)
    lift(case, ids.parse(request.freeze_id))
    return await runtime.finish(
        unit, lambda: LiftFreezeResponse(escrow=escrow_message(case.records))
    )
