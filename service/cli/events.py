"""``escrow events``: Stripe's events that have not been applied, and their repairs."""

from __future__ import annotations

from typing import Annotated

import typer

from escrow.v1 import operator_service_pb2 as pb
from service.cli.calling import call_service
from service.cli.operating import (
    Everything,
    PageToken,
    Reason,
    RequestId,
    Tenant,
    call,
    new_key,
    show,
)
from service.cli.printing import AsJson
from service.operations.operators.get_stripe_event import get_stripe_event
from service.operations.operators.list_stripe_events import list_stripe_events

app = typer.Typer(help="Stripe's events that wait, and their repairs.", no_args_is_help=True)
EventId = Annotated[str, typer.Argument(help='Stripe\'s: "evt_..."')]
Dismissed = Annotated[bool, typer.Option("--dismissed", help="Those that were dismissed.")]


@app.command("list")
def list_(
    tenant: Tenant = "default",
    page_token: PageToken = "",
    *,
    everything: Everything = False,
    dismissed: Dismissed = False,
    as_json: AsJson = False,
) -> None:
    """Those that were set aside, for a person; the oldest 200."""
    filter_ = pb.STRIPE_EVENT_FILTER_NEEDS_PERSON
    if everything:
        filter_ = pb.STRIPE_EVENT_FILTER_UNSPECIFIED
    if dismissed:
        filter_ = pb.STRIPE_EVENT_FILTER_DISMISSED
    request = pb.ListStripeEventsRequest(page_size=200, page_token=page_token, filter=filter_)
    show(call(list_stripe_events, request, tenant=tenant), as_json=as_json)


@app.command("show")
def show_(event_id: EventId, tenant: Tenant = "default", *, as_json: AsJson = False) -> None:
    """One of them, and why it is where it is."""
    request = pb.GetStripeEventRequest(event_id=event_id)
    show(call(get_stripe_event, request, tenant=tenant), as_json=as_json)


@app.command()
def retry(
    event_id: EventId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Has it applied again; a worker does it within seconds. It books nothing twice."""
    request = pb.RetryStripeEventRequest(
        request_id=new_key(request_id), event_id=event_id, reason=reason
    )
    show(
        call_service(lambda it: it.operators.RetryStripeEvent, request, tenant=tenant),
        as_json=as_json,
    )


@app.command()
def dismiss(
    event_id: EventId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Ends it unapplied. It is kept, and can be retried later."""
    request = pb.DismissStripeEventRequest(
        request_id=new_key(request_id), event_id=event_id, reason=reason
    )
    show(
        call_service(lambda it: it.operators.DismissStripeEvent, request, tenant=tenant),
        as_json=as_json,
    )
