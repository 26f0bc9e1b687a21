"""Hands events to the service, which stores each once. What waits shares a call and a commit."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind, StatusCode, Tracer

from escrow.v1.stripe_event_service_pb2 import (
    STRIPE_ENDPOINT_CONNECT,
    STRIPE_ENDPOINT_PLATFORM,
    BatchIngestStripeEventsRequest,
    BatchIngestStripeEventsResponse,
    IngestOutcome,
    IngestStripeEventRequest,
    IngestStripeEventResult,
)
from webhook_gateway.batching import Batches
from webhook_gateway.service_access import ServiceAccess
from webhook_gateway.tenants_file import Endpoint

METHOD = "escrow.v1.StripeEventService/BatchIngestStripeEvents"
READY_DEADLINE_S = 2

BATCH_MOST = 64
BATCH_MOST_BYTES = 1 << 20  # what the service receives
ENVELOPE_BYTES = 128  # what an event has around its payload in a batch, and some
# A call of a healthy service takes a tenth of it. One of its pods may hang, and events must not
# wait in line behind that.
PATIENCE_S = 0.25

STRIPE_ENDPOINTS = {
    Endpoint.PLATFORM: STRIPE_ENDPOINT_PLATFORM,
    Endpoint.CONNECT: STRIPE_ENDPOINT_CONNECT,
}

# An event is stored once however often it comes, so a call that found no server may be repeated.
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
    ("grpc.max_send_message_length", BATCH_MOST_BYTES),
    ("grpc.max_receive_message_length", 1 << 18),  # a batch of refusals, each with its reason
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),  # any number; else the third waits for data
    # The default waits up to two minutes before it notices that the service is back.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


REFUSALS = {code.value[0]: code for code in grpc.StatusCode if code is not grpc.StatusCode.OK}


class NotStored(Exception):
    """An event is not known to be stored. ``code`` says why, in the service's words."""

    def __init__(self, code: grpc.StatusCode, *, is_final: bool = False) -> None:
        super().__init__(code.name)
        self.code = code
        self.is_final = is_final
        """Whether the service refuses this very event, and will whenever it comes."""


class _Event(NamedTuple):
    """An event that waits, and the span of its delivery."""

    request: IngestStripeEventRequest
    span: trace.Span


class EventIngestion:
    """Stores events at the service's StripeEventService. Closes its access at the end."""

    def __init__(self, access: ServiceAccess, deadline_s: float, tracer: Tracer) -> None:
        self._access = access
        self._deadline_s = deadline_s
        self._tracer = tracer
        self._batches: dict[str, Batches[_Event, str]] = {}  # by tenant, whom a call is made for

    async def ingest(
        self, tenant: str, endpoint: Endpoint, payload: bytes, received_at_s: float
    ) -> str:
        """Stores one verified event, whose delivery the current span is. Returns what became of it:
        "stored", "duplicate" and so on.

        ``received_at_s`` is in seconds since the epoch.

        Raises:
            NotStored: it is not known to be stored.
        """
        span = trace.get_current_span()
        request = IngestStripeEventRequest(
            endpoint=STRIPE_ENDPOINTS[endpoint],
            payload=payload,
            receive_time=_time(received_at_s),
            traceparent=_traceparent(span),
        )
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._batches_of(tenant).join(_Event(request, span))
        except TimeoutError:
            raise NotStored(grpc.StatusCode.DEADLINE_EXCEEDED) from None

    async def is_ready(self) -> bool:
        """Whether the service says that it serves."""
        try:
            answer = await self._access.link().check_health(
                HealthCheckRequest(), timeout=READY_DEADLINE_S
            )
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == HealthCheckResponse.SERVING)

    async def close(self) -> None:
        """Closes the channel; calls that are still open are cancelled."""
        for batches in self._batches.values():
            await batches.close()
        await self._access.close()

    def _batches_of(self, tenant: str) -> Batches[_Event, str]:
        if tenant not in self._batches:
            self._batches[tenant] = Batches(
                partial(self._send, _metadata(tenant)),
                bytes_of=_bytes_of,
                most=BATCH_MOST,
                most_bytes=BATCH_MOST_BYTES,
                patience_s=PATIENCE_S,
            )
        return self._batches[tenant]

    async def _send(
        self, metadata: tuple[tuple[str, str], ...], events: Sequence[_Event]
    ) -> list[str | Exception]:
        """One call for all of them, in the trace of the first and linked to the others.

        What fails the call fails every event of it, but is no verdict on any of them.
        """
        request = BatchIngestStripeEventsRequest(requests=[event.request for event in events])
        try:
            response = await self._call(request, metadata, [event.span for event in events])
        except grpc.aio.AioRpcError as error:
            return [NotStored(error.code()) for _ in events]
        return [_fate(result) for _, result in zip(events, response.results, strict=True)]

    async def _call(
        self,
        request: BatchIngestStripeEventsRequest,
        metadata: tuple[tuple[str, str], ...],
        deliveries: Sequence[trace.Span],
    ) -> BatchIngestStripeEventsResponse:
        first, *others = deliveries
        with self._tracer.start_as_current_span(
            METHOD,
            trace.set_span_in_context(first),
            SpanKind.CLIENT,
            {"rpc.system": "grpc", "rpc.method": METHOD, "escrow.events": len(deliveries)},
            [Link(span.get_span_context()) for span in others],
            record_exception=False,  # its text quotes what the service said
            set_status_on_exception=False,
        ) as span:
            try:
                return await self._access.link().events.BatchIngestStripeEvents(
                    request,
                    timeout=self._deadline_s,
                    metadata=(
                        *metadata,
                        *self._access.metadata().items(),
                        ("traceparent", _traceparent(span)),
                    ),
                )
            except grpc.aio.AioRpcError as error:
                span.set_status(StatusCode.ERROR, error.code().name)
                raise


def _metadata(tenant: str) -> tuple[tuple[str, str], ...]:
    """For which tenant; and who calls, where the service believes what is said."""
    return (
        ("escrow-tenant", tenant),
        ("escrow-caller", "webhook-gateway"),
        ("escrow-role", "gateway"),
    )


def _traceparent(span: trace.Span) -> str:
    """W3C Trace Context, version 00."""
    ids = span.get_span_context()
    return f"00-{ids.trace_id:032x}-{ids.span_id:016x}-{ids.trace_flags:02x}"


def _bytes_of(event: _Event) -> int:
    return len(event.request.payload) + ENVELOPE_BYTES


def _time(seconds: float) -> Timestamp:
    time = Timestamp()
    time.FromNanoseconds(round(seconds * 1e9))
    return time


def _fate(result: IngestStripeEventResult) -> str | NotStored:
    """A newer service may know outcomes that we do not: it has stored the event all the same."""
    if result.HasField("outcome"):
        if result.outcome not in IngestOutcome.values():
            return "accepted"
        return IngestOutcome.Name(result.outcome).removeprefix("INGEST_OUTCOME_").lower()
    code = REFUSALS.get(result.refusal.code, grpc.StatusCode.UNKNOWN)
    return NotStored(code, is_final=code is grpc.StatusCode.INVALID_ARGUMENT)
