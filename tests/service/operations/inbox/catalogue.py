"""What is sure to be answered to the gateway."""

import json

from escrow.client import new_request_id
from escrow.v1 import stripe_event_service_pb2 as event_pb
from tests.service.operations.asked import Asked, Requests
from tests.service.operations.marketplace import Marketplace


def _stripe_event() -> event_pb.IngestStripeEventRequest:
    event = {
        "id": f"evt_{new_request_id()}",
        "object": "event",
        "type": "charge.succeeded",
        "api_version": "2026-10-28.endive",
        "created": 1_790_000_000,
        "livemode": False,
        "data": {"object": {"id": "ch_1", "object": "charge"}},
    }
    request = event_pb.IngestStripeEventRequest(
        endpoint=event_pb.STRIPE_ENDPOINT_PLATFORM, payload=json.dumps(event).encode()
    )
    request.receive_time.FromJsonString("2026-10-28T00:00:00Z")
    request.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    return request


async def _ingest_stripe_event(market: Marketplace) -> Asked:
    return Asked("", _stripe_event(), role="gateway")


async def _batch_ingest_stripe_events(market: Marketplace) -> Asked:
    events = [_stripe_event(), _stripe_event()]
    return Asked("", event_pb.BatchIngestStripeEventsRequest(requests=events), role="gateway")


REQUESTS: Requests = {
    "IngestStripeEvent": _ingest_stripe_event,
    "BatchIngestStripeEvents": _batch_ingest_stripe_events,
}
