"""A small OpenTelemetry collector: what processes export to it, a test looks at."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

NS = 1e-9


@dataclass(frozen=True)
class Span:
    """One span as it was exported. Ids are hexadecimal, ``parent_id`` of a root is ""."""

    program: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    started_s: float
    duration_s: float
    attributes: Mapping[str, Any]
    links: tuple[str, ...]  # span ids
    text: str  # everything, as protobuf prints it


@dataclass
class Collector:
    """What has arrived. ``metrics`` are the names with what was told of them, by program."""

    endpoint: str = ""
    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, dict[str, str]] = field(default_factory=dict)

    def named(self, name: str, **attributes: object) -> list[Span]:
        """The spans of this name with these attributes, whose dots are written as underscores."""
        wanted = {key.replace("_", "."): value for key, value in attributes.items()}
        return [
            span
            for span in self.spans
            if span.name == name and wanted.items() <= span.attributes.items()
        ]

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of a trace, in the order in which they began."""
        found = [span for span in self.spans if span.trace_id == trace_id]
        return sorted(found, key=lambda span: span.started_s)


class _Traces(TraceServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    async def Export(  # noqa: N802 - the name in OTLP
        self,
        request: ExportTraceServiceRequest,
        _context: grpc.aio.ServicerContext[ExportTraceServiceRequest, ExportTraceServiceResponse],
    ) -> ExportTraceServiceResponse:
        for resource in request.resource_spans:
            program = _values(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                self._collector.spans += [_span(program, span) for span in scope.spans]
        return ExportTraceServiceResponse()


class _Metrics(MetricsServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    async def Export(  # noqa: N802 - the name in OTLP
        self,
        request: ExportMetricsServiceRequest,
        _context: grpc.aio.ServicerContext[
            ExportMetricsServiceRequest, ExportMetricsServiceResponse
        ],
    ) -> ExportMetricsServiceResponse:
        for resource in request.resource_metrics:
            program = _values(resource.resource.attributes)["service.name"]
            told = self._collector.metrics.setdefault(program, {})
            for scope in resource.scope_metrics:
                told |= {metric.name: str(metric) for metric in scope.metrics}
        return ExportMetricsServiceResponse()


def _values(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {
        item.key: getattr(item.value, item.value.WhichOneof("value") or "string_value")
        for item in attributes
    }


def _span(program: str, span: trace_pb2.Span) -> Span:
    return Span(
        program=program,
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        started_s=span.start_time_unix_nano * NS,
        duration_s=(span.end_time_unix_nano - span.start_time_unix_nano) * NS,
        attributes=_values(span.attributes),
        links=tuple(link.span_id.hex() for link in span.links),
        text=str(span),
    )


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector that listens on this machine until the end."""
    collector, server = Collector(), grpc.aio.server()
    add_TraceServiceServicer_to_server(_Traces(collector), server)  # type: ignore[no-untyped-call]  # has no types
    add_MetricsServiceServicer_to_server(_Metrics(collector), server)  # type: ignore[no-untyped-call]  # has no types
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(grace=None)
