"""The gateway's one RPC: hands an event to the service, which stores it once."""

import json

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind, Tracer

from escrow.v1.stripe_event_service_pb2 import (
    STRIPE_ENDPOINT_CONNECT,
    STRIPE_ENDPOINT_PLATFORM,
    IngestOutcome,
    IngestStripeEventRequest,
)
from escrow.v1.stripe_event_service_pb2_grpc import StripeEventServiceStub
from webhook_gateway.tenants_file import Endpoint

METHOD = "escrow.v1.StripeEventService/IngestStripeEvent"
READY_DEADLINE_S = 2

STRIPE_ENDPOINTS = {
    Endpoint.PLATFORM: STRIPE_ENDPOINT_PLATFORM,
    Endpoint.CONNECT: STRIPE_ENDPOINT_CONNECT,
}

# An event is stored once however often it is told, so a call that found no server may be repeated.
# What is still refused after that is for Stripe to send again.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{"service": "escrow.v1.StripeEventService"}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}

CHANNEL_OPTIONS = (
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.max_send_message_length", 1 << 20),  # an event has at most 512 KiB, and its envelope
    ("grpc.max_receive_message_length", 1 << 16),  # the answer is one enum value
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # The default waits up to two minutes before it notices that the service is back.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


class EventIngestion:
    """A channel to the service's StripeEventService. Belongs to the event loop it was made in."""

    def __init__(self, target: str, deadline_s: float, tracer: Tracer) -> None:
        self._channel = grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
        self._service = StripeEventServiceStub(self._channel)
        # Spelled out, because the published types of HealthStub lack its methods.
        self._check_health = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        self._deadline_s = deadline_s
        self._tracer = tracer

    async def ingest(
        self, tenant: str, endpoint: Endpoint, payload: bytes, received_at_s: float
    ) -> str:
        """Stores one verified event; returns what became of it: "stored", "duplicate" and so on.

        ``received_at_s`` is in seconds since the epoch. Raises grpc.aio.AioRpcError if the event
        is not known to be stored.
        """
        request = IngestStripeEventRequest(
            endpoint=STRIPE_ENDPOINTS[endpoint], payload=payload, receive_time=_time(received_at_s)
        )
        with self._tracer.start_as_current_span(METHOD, kind=SpanKind.CLIENT) as span:
            span.set_attributes({"rpc.system": "grpc", "rpc.method": METHOD})
            response = await self._service.IngestStripeEvent(
                request, timeout=self._deadline_s, metadata=_metadata(tenant)
            )
        return _outcome_name(response.outcome)

    async def is_ready(self) -> bool:
        """Whether the service says that it serves."""
        try:
            answer = await self._check_health(HealthCheckRequest(), timeout=READY_DEADLINE_S)
        except grpc.aio.AioRpcError:
            return False
        return answer.status == HealthCheckResponse.SERVING

    async def close(self) -> None:
        """Closes the channel; calls that are still open are cancelled."""
        await self._channel.close()


def _metadata(tenant: str) -> grpc.aio.Metadata:
    """Who calls and for which tenant, with the W3C trace context of the current span."""
    carrier: dict[str, str] = {}
    inject(carrier)
    return grpc.aio.Metadata(
        ("escrow-tenant", tenant),
        ("escrow-caller", "webhook-gateway"),
        ("escrow-role", "gateway"),
        *carrier.items(),
    )


def _time(seconds: float) -> Timestamp:
    time = Timestamp()
    time.FromNanoseconds(round(seconds * 1e9))
    return time


def _outcome_name(outcome: IngestOutcome.ValueType) -> str:
    """A newer service may know outcomes that we do not: it has stored the event all the same."""
    if outcome not in IngestOutcome.values():
        return "accepted"
    return IngestOutcome.Name(outcome).removeprefix("INGEST_OUTCOME_").lower()
