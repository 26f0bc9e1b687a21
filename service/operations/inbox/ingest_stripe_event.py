"""Stores one verified event of Stripe durably, once, however often it comes."""

from __future__ import annotations

import json
import re
from datetime import UTC

from escrow.v1.stripe_event_service_pb2 import (
    INGEST_OUTCOME_DUPLICATE,
    INGEST_OUTCOME_QUARANTINED,
    INGEST_OUTCOME_STORED,
    IngestOutcome,
    IngestStripeEventRequest,
    IngestStripeEventResponse,
    StripeEndpoint,
)
from service.domain.call import Call
from service.domain.errors import FieldViolation, InvalidField
from service.runtime import Runtime
from service.store.stripe_events import Arrival, StoredEvent, insert_event
from service.stripe.gateway import API_VERSION
from service.stripe.objects.values import Unreadable, moment_of

CONNECT = "CONNECT"
CLIENT_SECRET = re.compile(rb'("client_secret"\s*:\s*)"(?:[^"\\]|\\.)*"')
VERSION = re.compile(r"[\x20-\x7e]{1,255}")  # "2016-03-07; orders_beta=v3"
NAME = re.compile(r"[\x21-\x7e]{1,255}")


async def ingest_stripe_event(
    runtime: Runtime, call: Call, request: IngestStripeEventRequest
) -> IngestStripeEventResponse:
    """Returns when the event is stored for good; what it means is found out afterwards.

    An event of the wrong mode or API version is stored and set aside: it is never acted on.

    Raises:
        InvalidField: the payload is not an event.
    """
    arrival = parse_arrival(runtime, call, request)
    event, state, reason = arrival
    stored = await insert_event(runtime.pool, event, state=state, reason=reason)
    return IngestStripeEventResponse(outcome=outcome_of(arrival, stored=stored))


def parse_arrival(runtime: Runtime, call: Call, request: IngestStripeEventRequest) -> Arrival:
    """The event that a request carries, and the state in which it is stored.

    Raises:
        InvalidField: the payload is not an event.
    """
    event = _parse_event(runtime, call, request)
    problem = why_quarantined(runtime, event)
    return Arrival(event, "QUARANTINED" if problem else "RECEIVED", problem)


def outcome_of(arrival: Arrival, *, stored: bool) -> IngestOutcome.ValueType:
    """What became of an event; ``stored`` is False when it was stored before."""
    if not stored:
        return INGEST_OUTCOME_DUPLICATE
    return INGEST_OUTCOME_QUARANTINED if arrival.reason else INGEST_OUTCOME_STORED


def why_quarantined(runtime: Runtime, event: StoredEvent) -> str:
    """Why an event may not be acted on; empty when it may."""
    expected = runtime.stripe[event.tenant_id].livemode
    if event.livemode is not expected:
        return f"livemode is {event.livemode}, expected {expected}"
    # Thin events name no account, whichever endpoint they come to, and their object is fetched.
    thin = event.type.startswith("v2.") and event.account is None
    if not thin and (event.endpoint == CONNECT) != (event.account is not None):
        return f"an event of account {event.account} came to the endpoint {event.endpoint}"
    if event.api_version not in (API_VERSION, None):  # thin events carry none
        return f"api_version is {event.api_version}, expected {API_VERSION}"
    return ""


def _parse_event(runtime: Runtime, call: Call, request: IngestStripeEventRequest) -> StoredEvent:
    try:
        return _stored_event(runtime, call, request, json.loads(request.payload))
    except (ValueError, RecursionError, Unreadable) as error:
        description = f"is not an event of Stripe: {error}"
        raise InvalidField(FieldViolation("payload", description[:300])) from error


def _is_name(value: object) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _stored_event(
    runtime: Runtime, call: Call, request: IngestStripeEventRequest, body: object
) -> StoredEvent:
    if not isinstance(body, dict):
        raise Unreadable("it is not an object")
    for name in ("id", "type"):
        if not _is_name(body.get(name)):
            raise Unreadable(f"{name} is missing")
    if body.get("account") is not None and not _is_name(body["account"]):
        raise Unreadable("account is not a name")
    version = body.get("api_version")
    if version is not None and not (isinstance(version, str) and VERSION.fullmatch(version)):
        raise Unreadable("api_version is not a version")
    received_at = runtime.clock()
    if request.HasField("receive_time"):
        received_at = min(received_at, request.receive_time.ToDatetime(UTC))
    return StoredEvent(
        tenant_id=call.tenant_id,
        event_id=body["id"],
        endpoint=StripeEndpoint.Name(request.endpoint).removeprefix("STRIPE_ENDPOINT_"),
        account=body.get("account"),
        type=body["type"],
        api_version=body.get("api_version"),
        livemode=body.get("livemode") is True,
        occurred_at=moment_of(body.get("created")),
        payload=CLIENT_SECRET.sub(rb"\1null", request.payload),  # the one thing that is not kept
        traceparent=request.traceparent or call.traceparent,
        attempts=0,
        received_at=received_at,
    )
