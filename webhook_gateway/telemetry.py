"""Traces and metrics, configured by OpenTelemetry's own OTEL_* variables, as in the service.

Spans always have ids, for the logs and for the service. They are recorded and exported when a
collector is named (OTEL_EXPORTER_OTLP_ENDPOINT); otherwise there is no SDK at work, which costs
more than reading an event. Metrics leave for the same collector; OTEL_METRICS_EXPORTER=prometheus
opens a port for them. The SDK itself reads the sampler, the resource attributes and the exporters'
own settings.
"""

import os
import random

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider as MeterSource
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from webhook_gateway.config import ConfigError

NAME = "escrow-gateway"
SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)
DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Telemetry:
    """What the gateway records of its deliveries, beside the log."""

    def __init__(self, traces: TracerProvider | None, metrics: MeterSource) -> None:
        self._providers = (traces, metrics)
        self.tracer = traces.get_tracer(NAME) if traces else IdsOnly()
        self._duration = metrics.get_meter(NAME).create_histogram(
            "http.server.request.duration",
            unit="s",
            description="How long deliveries took to answer",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS_S,
        )

    def record_delivery(
        self, tenant: str, endpoint: str, status: int, outcome: str, seconds: float
    ) -> None:
        """Counts one delivery to a known endpoint; every label has few values."""
        self._duration.record(
            seconds,
            {
                "escrow.tenant": tenant,
                "escrow.endpoint": endpoint,
                "escrow.outcome": outcome,
                "http.response.status_code": status,
            },
        )

    def shut_down(self) -> None:
        """Sends what is still waiting. Blocks, but not for ever."""
        for provider in self._providers:
            if isinstance(provider, (TracerProvider, MeterProvider)):
                provider.shutdown()


class IdsOnly(trace.NoOpTracer):
    """Makes spans that are nothing but their ids. They count as sampled: a service that gets them
    and exports decides as for a trace of its own.
    """

    def start_span(
        self,
        name: str,  # noqa: ARG002 - a span that is not exported needs none
        context: Context | None = None,
        *_: object,
        **__: object,
    ) -> trace.Span:
        parent = trace.get_current_span(context).get_span_context()
        ids = trace.SpanContext(
            parent.trace_id or random.getrandbits(128),
            random.getrandbits(64),
            is_remote=False,
            trace_flags=SAMPLED,
        )
        return trace.NonRecordingSpan(ids)


def open_telemetry() -> Telemetry:
    """Telemetry as the environment wants it. Raises ConfigError, naming the variable."""
    resource = Resource.create({SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", NAME)})
    return Telemetry(_open_traces(resource), _open_metrics(resource))


def _open_traces(resource: Resource) -> TracerProvider | None:
    # A disabled SDK makes spans without ids.
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if not _chosen("TRACES", ("otlp", "none")) or is_off:
        return None
    # Imported only when it is used: it costs a third of a second.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _open_metrics(resource: Resource) -> MeterSource:
    chosen = _chosen("METRICS", ("otlp", "prometheus", "none"))
    if not chosen:
        return NoOpMeterProvider()
    return MeterProvider([READERS[name]() for name in sorted(chosen)], resource)


def _otlp_reader() -> MetricReader:
    # Imported only when it is used.
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter,
    )
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415

    return PeriodicExportingMetricReader(OTLPMetricExporter())


def _prometheus_reader() -> MetricReader:
    # Imported only when it is used.
    from opentelemetry.exporter.prometheus import PrometheusMetricReader  # noqa: PLC0415
    from prometheus_client import start_http_server  # noqa: PLC0415

    host = os.environ.get("OTEL_EXPORTER_PROMETHEUS_HOST", "localhost")
    port = os.environ.get("OTEL_EXPORTER_PROMETHEUS_PORT", "9464")
    try:
        start_http_server(int(port), host)
    except (ValueError, OverflowError, OSError) as error:
        where = "OTEL_EXPORTER_PROMETHEUS_HOST and _PORT"
        raise ConfigError([f"{where}: cannot listen on {host}:{port}: {error}"]) from None
    return PrometheusMetricReader()


READERS = {"otlp": _otlp_reader, "prometheus": _prometheus_reader}


def _chosen(signal: str, choices: tuple[str, ...]) -> set[str]:
    """The exporters of a signal; none when nothing says where to. "none" stands alone."""
    variable = f"OTEL_{signal}_EXPORTER"
    endpoints = (f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    default = "otlp" if any(os.environ.get(name) for name in endpoints) else "none"
    chosen = {name.strip() for name in (os.environ.get(variable) or default).split(",")}
    if not chosen <= set(choices) or ("none" in chosen and len(chosen) > 1):
        raise ConfigError([f"{variable}: must be {' or '.join(choices)}"])
    if "otlp" in chosen:
        _check_protocol(signal)
    return chosen - {"none"}


def _check_protocol(signal: str) -> None:
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if os.environ.get(name, "grpc") != "grpc":
            raise ConfigError([f"{name}: must be grpc"])
