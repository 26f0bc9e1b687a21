"""An operator has an event applied again."""

from __future__ import annotations

from escrow.v1.operator_service_pb2 import RetryStripeEventRequest, RetryStripeEventResponse
from service.domain.errors import EventQuarantined
from service.domain.unit import UnitOfWork
from service.operations.inbox.ingest_stripe_event import why_quarantined
from service.operations.mutation import mutation
from service.operations.operators.messages import event_message
from service.operations.operators.repair_event import repair_event
from service.runtime import Runtime

FROM = ("PARKED", "QUARANTINED", "SUSPENSE", "DISMISSED")


@mutation(RetryStripeEventResponse)
async def retry_stripe_event(
    runtime: Runtime, unit: UnitOfWork, request: RetryStripeEventRequest
) -> RetryStripeEventResponse:
    """It is due at once, with all its attempts before it. Applying it books nothing twice.

    Raises:
        StripeEventMissing. WrongState: it has ended, or is about to be applied.
        EventQuarantined: it is still of the wrong mode, API version or endpoint.
    """
    reason = f"retried by {unit.call.caller}: {request.reason}"
    entry = await repair_event(
        runtime, unit, request.event_id, of=FROM, to="RECEIVED", reason=reason
    )
    if problem := why_quarantined(runtime, entry.event):
        raise EventQuarantined(f"It is not applied: {problem}.")
    unit.note = request.event_id
    return await runtime.save(unit, RetryStripeEventResponse(event=event_message(entry)))
