"""An operator freezes an amount that is held."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import FreezeReason as ReasonMessage
from escrow.v1.escrow_service_pb2 import PlaceFreezeRequest, PlaceFreezeResponse
from service.aggregates.escrow import open_case
from service.aggregates.freeze import Cause, place
from service.domain import ids
from service.domain.errors import FieldViolation, InvalidField
from service.domain.records.freeze import BY_OPERATOR
from service.domain.unit import UnitOfWork
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.runtime import Runtime

REASONS = {ReasonMessage.Value(f"FREEZE_REASON_{reason}"): reason for reason in BY_OPERATOR}


@mutation(PlaceFreezeResponse)
async def place_freeze(
    runtime: Runtime, unit: UnitOfWork, request: PlaceFreezeRequest
) -> PlaceFreezeResponse:
    """Raises EscrowMissing, MilestoneMissing, StaleEtag, AmountNotMultiple.

    InvalidField: the reason is none of an operator's.
    AmountAboveHeld, AmountFrozen: so much is not held, or frozen already.
    """
    reason = REASONS.get(request.freeze_reason)
    if reason is None:
        says = f"must be one of {', '.join(sorted(BY_OPERATOR))}"
        raise InvalidField(FieldViolation("freeze_reason", says))
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    milestone = case.milestone(ids.parse(request.milestone_id))
    amount_minor = request.amount_minor if request.HasField("amount_minor") else None
    cause = Cause(reason, request.request_id, f"{unit.call.caller}: {request.reason}")
    place(case, milestone, amount_minor, cause)
    return await runtime.finish(
        unit,
        lambda: PlaceFreezeResponse(escrow=escrow_message(case.records)),
        dry_run=request.validate_only,
    )
