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
from service.operations.paging import cursor_of, fill_page, next_page_token, page_limit
from service.runtime import Runtime
from service.store.listed_events import ListedEvent, list_events
from service.store.unreadable import Unreadable
from service.store.waiting_since import Since

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

    async def read(after: Since | None, most: int) -> list[ListedEvent | Unreadable[Since]]:
        lists = LISTS[request.filter]
        return await list_events(
            runtime.pool, call.tenant_id, lists, after=after or START, limit=most
        )

    page = await fill_page(
        read,
        lambda listed: listed.since,
        lambda listed: event_message(listed.entry),
        after=cursor_of(request.page_token, question, cursor_at),
        limit=page_limit(request.page_size, usual=50, most=200),
    )
    return ListStripeEventsResponse(
        events=page.items,
        next_page_token=next_page_token(cursor_text(page.last), question) if page.last else "",
        unreadable=[event_id for _, event_id in page.unreadable],
    )


def cursor_text(since: Since) -> str:
    """What ``cursor_at`` reads."""
    moment, name = since
    return f"{moment.isoformat()} {name}"


def cursor_at(text: str) -> Since:
    """A moment and an id, as they stand in a page token."""
    moment, _, event_id = text.partition(" ")
    received_at = datetime.fromisoformat(moment)
    if received_at.tzinfo is None or not event_id.isprintable():
        raise ValueError(text)
    return received_at, event_id
