"""What stands on both sides of the gateway: Stripe over HTTP, and the service over gRPC."""

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp
import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse
from stripe import WebhookSignature

from escrow.v1.stripe_event_service_pb2 import (
    INGEST_OUTCOME_STORED,
    IngestOutcome,
    IngestStripeEventRequest,
    IngestStripeEventResponse,
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
    """Records what it is told, and answers as it is asked to while ``gate`` is open."""

    received: list[IngestStripeEventRequest] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    outcome: IngestOutcome.ValueType = INGEST_OUTCOME_STORED
    refusal: grpc.StatusCode | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    arrival: asyncio.Event = field(default_factory=asyncio.Event)

    async def IngestStripeEvent(  # noqa: N802 - the name in the contract
        self,
        request: IngestStripeEventRequest,
        context: grpc.aio.ServicerContext[IngestStripeEventRequest, IngestStripeEventResponse],
    ) -> IngestStripeEventResponse:
        self.received.append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        self.arrival.set()
        await self.gate.wait()
        if self.refusal is not None:
            await context.abort(self.refusal, "private words of the service")
        return IngestStripeEventResponse(outcome=self.outcome)


@dataclass
class Peer:
    """The service's server; ``target`` is its address and stays the same over a restart."""

    service: EventService
    target: str = "127.0.0.1:0"
    server: grpc.aio.Server | None = None

    async def start(self) -> None:
        server = grpc.aio.server()
        add_StripeEventServiceServicer_to_server(self.service, server)
        status = health.aio.HealthServicer()
        await status.set("", HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(status, server)
        port = server.add_insecure_port(self.target)
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
