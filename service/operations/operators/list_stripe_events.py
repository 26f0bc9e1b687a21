"""Lists Stripe's events that have not been applied, oldest first."""

from __future__ import annotations

from datetime import UTC, datetime

from escrow.v1.operator_service_pb2 import (
    STRIPE_EVENT_FILTER_DISMISSED,
    STRIPE_EVENT_FILTER_NEEDS_PERSON,
    STRIPE_EVENT_FILTER_UNSPECIFIED,
    ListStripeEventsRequest,
    ListStripeEventsResponse,
)
from service.domain.call import Call
from service.operations.operators.messages import event_message
from service.operations.paging import cursor_of, next_page_token, page_limit
from service.runtime import Runtime
from service.store.for_operators import list_events

LISTS = {
    STRIPE_EVENT_FILTER_UNSPECIFIED: ("open", "set_aside"),
    STRIPE_EVENT_FILTER_NEEDS_PERSON: ("set_aside",),
    STRIPE_EVENT_FILTER_DISMISSED: ("dismissed",),
}
START = datetime.min.replace(tzinfo=UTC), ""


async def list_stripe_events(
    runtime: Runtime, call: Call, request: ListStripeEventsRequest
) -> ListStripeEventsResponse:
    """Raises InvalidField: the page token is not one of ours."""
    question = f"events {request.filter}"
    limit = page_limit(request.page_size, usual=50, most=200)
    found = await list_events(
        runtime.pool,
        call.tenant_id,
        LISTS[request.filter],
        after=cursor_of(request.page_token, question, cursor_at) or START,
        limit=limit + 1,
    )
    page, token = found[:limit], ""
    if len(found) > limit:
        last = page[-1].event
        token = next_page_token(f"{last.received_at.isoformat()} {last.event_id}", question)
    return ListStripeEventsResponse(events=map(event_message, page), next_page_token=token)


def cursor_at(text: str) -> tuple[datetime, str]:
    """A moment and an id, as they stand in a page token."""
    moment, _, event_id = text.partition(" ")
    received_at = datetime.fromisoformat(moment)
    if received_at.tzinfo is None or not event_id.isprintable():
        raise ValueError(text)
    return received_at, event_id
