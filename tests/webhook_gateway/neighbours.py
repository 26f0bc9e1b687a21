"""What stands on both sides of the gateway: Stripe over HTTP, and the service over gRPC."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc
from google.rpc import status_pb2  # type: ignore[import-untyped]  # ships without types
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse
from stripe import WebhookSignature

from escrow.v1.stripe_event_service_pb2 import (
    INGEST_OUTCOME_STORED,
    BatchIngestStripeEventsRequest,
    BatchIngestStripeEventsResponse,
    IngestOutcome,
    IngestStripeEventRequest,
    IngestStripeEventResponse,
    IngestStripeEventResult,
)
from escrow.v1.stripe_event_service_pb2_grpc import (
    StripeEventServiceServicer,
    add_StripeEventServiceServicer_to_server,
)

PLATFORM_SECRET = "whsec_platform"
PLATFORM_PREVIOUS_SECRET = "whsec_platform_previous"
CONNECT_SECRET = "whsec_connect"


@dataclass
class EventService(StripeEventServiceServicer):
    """Records what it is told, and answers as it is asked to while ``gate`` is open.

    ``callers`` are the names in the certificates that the calls came with.
    ``refusal`` fails whole calls; ``results`` has other results than ``outcome``, by payload.
    """

    calls: list[BatchIngestStripeEventsRequest] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)
    outcome: IngestOutcome.ValueType = INGEST_OUTCOME_STORED
    results: dict[bytes, IngestStripeEventResult] = field(default_factory=dict)
    refusal: grpc.StatusCode | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    arrival: asyncio.Event = field(default_factory=asyncio.Event)

    async def BatchIngestStripeEvents(  # noqa: N802 - the name in the contract
        self,
        request: BatchIngestStripeEventsRequest,
        context: grpc.aio.ServicerContext[
            BatchIngestStripeEventsRequest, BatchIngestStripeEventsResponse
        ],
    ) -> BatchIngestStripeEventsResponse:
        self.calls.append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        shown: Any = context.auth_context()
        self.callers += [name.decode() for name in shown.get("x509_common_name", ())]
        self.arrival.set()
        await self.gate.wait()
        if self.refusal is not None:
            await context.abort(self.refusal, "private words of the service")
        stored = IngestStripeEventResult(outcome=self.outcome)
        return BatchIngestStripeEventsResponse(
            results=[self.results.get(event.payload, stored) for event in request.requests]
        )

    async def IngestStripeEvent(  # noqa: N802 - the name in the contract
        self,
        request: IngestStripeEventRequest,
        context: grpc.aio.ServicerContext[IngestStripeEventRequest, IngestStripeEventResponse],
    ) -> IngestStripeEventResponse:
        """Is there for others; the gateway does not call it."""
        raise NotImplementedError

    @property
    def received(self) -> list[IngestStripeEventRequest]:
        """Every event of every call, in order."""
        return [event for call in self.calls for event in call.requests]


def refused(code: grpc.StatusCode) -> IngestStripeEventResult:
    """The result of an event that the service does not store."""
    refusal = status_pb2.Status(code=code.value[0], message="private words of the service")
    return IngestStripeEventResult(refusal=refusal)


@dataclass
class Peer:
    """The service's server; ``target`` is its address and stays the same over a restart."""

    service: EventService
    target: str = "127.0.0.1:0"
    server: grpc.aio.Server | None = None
    tls: grpc.ServerCredentials | None = None

    async def start(self) -> None:
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", 1 << 20)])
        add_StripeEventServiceServicer_to_server(self.service, server)
        status = health.aio.HealthServicer()
        await status.set("", HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(status, server)
        port = (
            server.add_secure_port(self.target, self.tls)
            if self.tls
            else server.add_insecure_port(self.target)
        )
        await server.start()
        self.target, self.server = f"127.0.0.1:{port}", server

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop(grace=None)
            self.server = None


@dataclass
class Gateway:
    """A running gateway and an HTTP client for it."""

    address: str
    http: aiohttp.ClientSession

    async def post(
        self,
        body: bytes,
        *signatures: str,
        path: str = "/stripe/default/platform",
        **headers: str,
    ) -> tuple[int, str]:
        """The status and the outcome, or the text if the answer is not ours."""
        given = [("Stripe-Signature", signature) for signature in signatures]
        async with self.http.post(
            self.address + path, data=body, headers=[*given, *headers.items()]
        ) as answer:
            if answer.content_type != "application/json":
                return answer.status, await answer.text()
            return answer.status, (await answer.json())["outcome"]


def sign(body: bytes, secret: str = PLATFORM_SECRET, age_s: int = 0) -> str:
    """A header as Stripe's own SDK makes it."""
    at = int(time.time()) - age_s
    header = WebhookSignature.generate_signature_header(body.decode(), secret, timestamp=at)
    assert isinstance(header, str)
    return header
