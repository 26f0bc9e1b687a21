"""An operator ends an event that will not be applied."""

from __future__ import annotations

from escrow.v1.operator_service_pb2 import DismissStripeEventRequest, DismissStripeEventResponse
from service.domain.unit import UnitOfWork
from service.operations.mutation import mutation
from service.operations.operators.messages import event_message
from service.operations.operators.repair_event import repair_event
from service.runtime import Runtime

FROM = ("PARKED", "QUARANTINED", "SUSPENSE")


@mutation(DismissStripeEventResponse)
async def dismiss_stripe_event(
    runtime: Runtime, unit: UnitOfWork, request: DismissStripeEventRequest
) -> DismissStripeEventResponse:
    """It stays stored, with who dismissed it and why. What it tells of money is found by the sweep
    of the balance transactions in any case.

    Raises:
        StripeEventMissing. WrongState: it has ended, or is about to be applied.
    """
    reason = f"dismissed by {unit.call.caller}: {request.reason}"
    entry = await repair_event(
        runtime, unit, request.event_id, of=FROM, to="DISMISSED", reason=reason
    )
    unit.note = request.event_id
    return await runtime.save(unit, DismissStripeEventResponse(event=event_message(entry)))
