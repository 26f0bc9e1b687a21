"""Traces and metrics as an operator gets them: from the started program, over the network."""

import asyncio
import re
import socket

import aiohttp
import pytest

from tests.collector import collecting
from tests.webhook_gateway.neighbours import Gateway, Peer, sign
from tests.webhook_gateway.test_main import EVENT, SECRETS, address_of, refusal, started


async def test_everything_reaches_the_collector_before_the_gateway_ends(peer: Peer) -> None:
    async with collecting() as collector, aiohttp.ClientSession() as http:
        variables = {
            **SECRETS,
            "ESCROW_SERVICE_TARGET": peer.target,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        }
        async with started("--port", "0", **variables) as process:
            gateway = Gateway(await address_of(process), http)
            assert await gateway.post(EVENT, sign(EVENT)) == (200, "stored")
            process.terminate()
            await asyncio.wait_for(process.communicate(), timeout=30)

    assert {(span.program, span.name) for span in collector.spans} == {
        ("escrow-gateway", "POST /stripe/{tenant}/platform"),
        ("escrow-gateway", "escrow.v1.StripeEventService/BatchIngestStripeEvents"),
    }
    assert "stored" in collector.metrics["escrow-gateway"]["http.server.request.duration"]


async def test_an_sdk_that_is_switched_off_costs_no_event(peer: Peer) -> None:
    """The service refuses a batch with an event whose traceparent names no span."""
    variables = {
        **SECRETS,
        "ESCROW_SERVICE_TARGET": peer.target,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_SDK_DISABLED": "true",
    }
    async with started("--port", "0", **variables) as process, aiohttp.ClientSession() as http:
        gateway = Gateway(await address_of(process), http)
        assert await gateway.post(EVENT, sign(EVENT)) == (200, "stored")

    (event,) = peer.service.received
    assert re.fullmatch("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01", event.traceparent)


async def test_metrics_are_there_to_scrape(peer: Peer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {
        **SECRETS,
        "ESCROW_SERVICE_TARGET": peer.target,
        "OTEL_METRICS_EXPORTER": "prometheus",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(port),
    }
    async with started("--port", "0", **variables) as process, aiohttp.ClientSession() as http:
        gateway = Gateway(await address_of(process), http)
        await gateway.post(EVENT, sign(EVENT))
        await gateway.post(EVENT)
        async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = (await answer.text()).splitlines()
    counts = [line for line in lines if line.startswith("http_server_request_duration_seconds_cou")]
    assert len(counts) == 2
    assert any('escrow_outcome="stored"' in line and line.endswith(" 1.0") for line in counts)
    assert any('escrow_outcome="signature_missing"' in line for line in counts)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: must be otlp or none"),
        (
            {"OTEL_METRICS_EXPORTER": "otlp,none"},
            "OTEL_METRICS_EXPORTER: must be otlp or prometheus or none",
        ),
        (
            {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: must be grpc",
        ),
        (
            {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": "x"},
            "OTEL_EXPORTER_PROMETHEUS_HOST and _PORT",
        ),
    ],
)
async def test_telemetry_that_cannot_be_had_is_one_line(
    variables: dict[str, str], named: str
) -> None:
    assert named in await refusal(**SECRETS, **variables)
