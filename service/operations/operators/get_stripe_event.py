"""Reads one event of Stripe, and why it is where it is."""

from __future__ import annotations

from escrow.v1.operator_service_pb2 import GetStripeEventRequest, GetStripeEventResponse
from service.domain.call import Call
from service.domain.errors import StripeEventMissing
from service.operations.operators.messages import event_message
from service.runtime import Runtime
from service.store.stripe_events import InboxEntry, find_event


async def get_stripe_event(
    runtime: Runtime, call: Call, request: GetStripeEventRequest
) -> GetStripeEventResponse:
    """Raises StripeEventMissing."""
    entry = await read_event(runtime, call, request.event_id)
    return GetStripeEventResponse(event=event_message(entry))


async def read_event(runtime: Runtime, call: Call, event_id: str) -> InboxEntry:
    """Raises StripeEventMissing."""
    entry = await find_event(runtime.pool, call.tenant_id, event_id)
    if entry is None:
        raise StripeEventMissing
    return entry
