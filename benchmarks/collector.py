"""A collector of telemetry: takes spans and metrics by OTLP over gRPC, and counts them.

    {}  ->  {"address": "http://127.0.0.1:5", "spans": 12, "metrics": 3}

A service that exports to it does all the work of telemetry, so the run can measure the cost.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc

from benchmarks.jobs import Answer, Job, answer_jobs

Context = grpc.aio.ServicerContext[Any, Any]


class Spans(trace_grpc.TraceServiceServicer):
    """Counts spans."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts

    async def Export(  # noqa: N802  its name in OTLP
        self, request: trace.ExportTraceServiceRequest, context: Context
    ) -> trace.ExportTraceServiceResponse:
        del context
        for resource in request.resource_spans:
            self._counts["spans"] += sum(len(scope.spans) for scope in resource.scope_spans)
        return trace.ExportTraceServiceResponse()


class Metrics(metrics_grpc.MetricsServiceServicer):
    """Counts metrics, each time that they are sent."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts

    async def Export(  # noqa: N802  its name in OTLP
        self, request: metrics.ExportMetricsServiceRequest, context: Context
    ) -> metrics.ExportMetricsServiceResponse:
        del context
        for resource in request.resource_metrics:
            self._counts["metrics"] += sum(len(scope.metrics) for scope in resource.scope_metrics)
        return metrics.ExportMetricsServiceResponse()


async def main() -> None:
    counts: Counter[str] = Counter()
    server = grpc.aio.server()
    # Generated without types.
    trace_grpc.add_TraceServiceServicer_to_server(Spans(counts), server)  # type: ignore[no-untyped-call]
    metrics_grpc.add_MetricsServiceServicer_to_server(Metrics(counts), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    async def report(_job: Job) -> Answer:
        received = {"spans": counts["spans"], "metrics": counts["metrics"]}
        return {"address": f"http://127.0.0.1:{port}", **received}

    await answer_jobs(report)
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(main())
