"""Traces and metrics as an operator gets them: from the started program, over the network."""

import asyncio
import socket

import aiohttp
import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from tests.webhook_gateway.neighbours import Gateway, Peer, sign
from tests.webhook_gateway.test_main import EVENT, SECRETS, address_of, refusal, started


class Collector(TraceServiceServicer):
    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    async def Export(  # noqa: N802 - the name in OTLP
        self,
        request: ExportTraceServiceRequest,
        _context: grpc.aio.ServicerContext[ExportTraceServiceRequest, ExportTraceServiceResponse],
    ) -> ExportTraceServiceResponse:
        for resource in request.resource_spans:
            service = {item.key: item.value.string_value for item in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.names |= {span.name: service["service.name"] for span in scope.spans}
        return ExportTraceServiceResponse()


async def test_spans_reach_the_collector_before_the_gateway_ends(peer: Peer) -> None:
    collector, server = Collector(), grpc.aio.server()
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]  # has no types
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    variables = {
        **SECRETS,
        "ESCROW_SERVICE_TARGET": peer.target,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
    }
    async with started("--port", "0", **variables) as process, aiohttp.ClientSession() as http:
        gateway = Gateway(await address_of(process), http)
        assert await gateway.post(EVENT, sign(EVENT)) == (200, "stored")
        process.terminate()
        await asyncio.wait_for(process.communicate(), timeout=30)
    await server.stop(grace=None)
    assert collector.names == {
        "POST /stripe/{tenant}/platform": "escrow-gateway",
        "escrow.v1.StripeEventService/BatchIngestStripeEvents": "escrow-gateway",
    }


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
            {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": "x"},
            "OTEL_EXPORTER_PROMETHEUS_HOST and _PORT",
        ),
    ],
)
async def test_telemetry_that_cannot_be_had_is_one_line(
    variables: dict[str, str], named: str
) -> None:
    assert named in await refusal(**SECRETS, **variables)
