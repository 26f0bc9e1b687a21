"""A running gateway with its neighbours; nothing in it is replaced."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.webhook_gateway.neighbours import (
    CONNECT_SECRET,
    PLATFORM_PREVIOUS_SECRET,
    PLATFORM_SECRET,
    EventService,
    Gateway,
    Peer,
)
from webhook_gateway.config import DefaultTenantSecrets, Settings
from webhook_gateway.server import running
from webhook_gateway.telemetry import Telemetry
from webhook_gateway.tenants import Tenants


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[Peer]:
    service = EventService()
    service.gate.set()
    peer = Peer(service)
    await peer.start()
    yield peer
    await peer.stop()


@pytest.fixture
def tenants() -> Tenants:
    return Tenants.from_environment(
        DefaultTenantSecrets.model_validate(
            {
                "STRIPE_WEBHOOK_SECRET_PLATFORM": PLATFORM_SECRET,
                "STRIPE_WEBHOOK_SECRET_PLATFORM_PREVIOUS": PLATFORM_PREVIOUS_SECRET,
                "STRIPE_WEBHOOK_SECRET_CONNECT": CONNECT_SECRET,
            }
        )
    )


@pytest.fixture
def settings(peer: Peer) -> Settings:
    return Settings(port=0, service_target=peer.target, deadline_s=5, body_timeout_s=0.5, drain_s=5)


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def telemetry(spans: InMemorySpanExporter) -> Telemetry:
    traces = TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(spans))
    return Telemetry(traces, NoOpMeterProvider())


@pytest_asyncio.fixture
async def gateway(
    settings: Settings, tenants: Tenants, telemetry: Telemetry
) -> AsyncIterator[Gateway]:
    async with (
        running(settings, tenants, telemetry) as address,
        aiohttp.ClientSession() as http,
    ):
        yield Gateway(address, http)
