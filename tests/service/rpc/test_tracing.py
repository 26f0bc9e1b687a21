import pytest
from grpc import StatusCode
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.rpc.tracing import Tracer

METHOD = "escrow.v1.EscrowService/GetEscrow"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
METADATA = (("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01"), ("escrow-tenant", "acme"))


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exported: InMemorySpanExporter) -> Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return Tracer(spans=provider)


def test_a_call_continues_its_callers_trace(tracer: Tracer, exported: InMemorySpanExporter) -> None:
    with tracer.serve(METHOD, METADATA) as served:
        assert trace.get_current_span().get_span_context().trace_id == int(TRACE_ID, 16)
        served.code = StatusCode.OK

    [span] = exported.get_finished_spans()
    assert served.trace_id == TRACE_ID
    assert span.name == METHOD
    assert span.kind == trace.SpanKind.SERVER
    assert span.parent is not None
    assert span.parent.span_id == 0xB7AD6B7169203331
    assert span.status.status_code == trace.StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "rpc.system.name": "grpc",
        "rpc.method": METHOD,
        "rpc.response.status_code": "OK",
    }
    assert not trace.get_current_span().is_recording()


@pytest.mark.parametrize(
    ("code", "is_error"),
    [
        (StatusCode.NOT_FOUND, False),
        (StatusCode.INVALID_ARGUMENT, False),
        (StatusCode.FAILED_PRECONDITION, False),
        (StatusCode.CANCELLED, False),
        (StatusCode.INTERNAL, True),
        (StatusCode.UNAVAILABLE, True),
        (StatusCode.DEADLINE_EXCEEDED, True),
    ],
)
def test_only_the_servers_own_failures_are_errors(
    tracer: Tracer, exported: InMemorySpanExporter, code: StatusCode, is_error: bool
) -> None:
    with tracer.serve(METHOD, ()) as served:
        served.code = code

    [span] = exported.get_finished_spans()
    assert (span.status.status_code == trace.StatusCode.ERROR) == is_error
    assert (span.attributes or {}).get("error.type") == (code.name if is_error else None)


@pytest.mark.parametrize(
    "metadata", [(), (("traceparent", "nonsense"),), (("traceparent", f"00-{'0' * 32}-1-01"),)]
)
def test_every_call_has_a_trace_id_even_when_nothing_is_recorded(
    metadata: tuple[tuple[str, str], ...],
) -> None:
    with Tracer(spans=trace.NoOpTracerProvider()).serve(METHOD, metadata) as served:
        served.code = StatusCode.OK

    assert len(served.trace_id) == 32
    assert int(served.trace_id, 16) > 0


def test_durations_are_counted_by_method_and_status() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    tracer = Tracer(readings=provider)

    for code in (StatusCode.OK, StatusCode.OK, StatusCode.NOT_FOUND):
        with tracer.serve(METHOD, ()) as served:
            served.code = code

    data = reader.get_metrics_data()
    assert data is not None
    [metric] = data.resource_metrics[0].scope_metrics[0].metrics
    assert (metric.name, metric.unit) == ("rpc.server.call.duration", "s")
    counts = {
        (point.attributes or {})["rpc.response.status_code"]: getattr(point, "count", None)
        for point in metric.data.data_points
    }
    assert counts == {"OK": 2, "NOT_FOUND": 1}
    provider.shutdown()
