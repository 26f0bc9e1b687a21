"""Logs by structlog, traces and metrics by OpenTelemetry.

Logs go to standard error, one JSON object a line, or in colour for a person on a terminal. Traces
and metrics are configured by OpenTelemetry's own variables, by the same ones as the gateway's
(docs/decisions/0014): they leave when a collector is named (OTEL_EXPORTER_OTLP_ENDPOINT), metrics
also by OTEL_METRICS_EXPORTER=prometheus. Sampling is OTEL_TRACES_SAMPLER's. With no exporter
configured there is no SDK at work at all.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, Literal

import structlog
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider

from service.config import ConfigError
from service.redaction import redact_event

NAME = "escrow-service"


class Telemetry:
    """What was opened; ``shut_down`` sends what still waits."""

    def __init__(self, traces: TracerProvider | None, readings: MeterProvider | None) -> None:
        self.traces = traces
        self.readings = readings

    def shut_down(self) -> None:
        """Blocks, but not for ever: the exporters have time limits of their own."""
        if self.traces is not None:
            self.traces.shutdown()
        if self.readings is not None:
            self.readings.shutdown()


def open_telemetry(*, role: str) -> Telemetry:
    """Traces and metrics as the environment wants them, for this process.

    Raises:
        ConfigError: naming the variable.
    """
    name = os.environ.get("OTEL_SERVICE_NAME", f"{NAME}-{role}")
    resource = Resource.create({SERVICE_NAME: name})
    telemetry = Telemetry(_open_traces(resource), _open_metrics(resource))
    if telemetry.traces is not None:
        trace.set_tracer_provider(telemetry.traces)
    if telemetry.readings is not None:
        metrics.set_meter_provider(telemetry.readings)
    return telemetry


def _open_traces(resource: Resource) -> TracerProvider | None:
    if not _chosen("TRACES", ("otlp", "none")):
        return None
    # Imported only when it is used: it costs a third of a second.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _open_metrics(resource: Resource) -> MeterProvider | None:
    chosen = _chosen("METRICS", ("otlp", "prometheus", "none"))
    if not chosen:
        return None
    return MeterProvider([_READERS[name]() for name in sorted(chosen)], resource)


def _otlp_reader() -> MetricReader:
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415 - slow
        OTLPMetricExporter,
    )
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415

    return PeriodicExportingMetricReader(OTLPMetricExporter())


def _prometheus_reader() -> MetricReader:
    from opentelemetry.exporter.prometheus import PrometheusMetricReader  # noqa: PLC0415 - slow
    from prometheus_client import start_http_server  # noqa: PLC0415

    host = os.environ.get("OTEL_EXPORTER_PROMETHEUS_HOST", "localhost")
    port = os.environ.get("OTEL_EXPORTER_PROMETHEUS_PORT", "9464")
    try:
        start_http_server(int(port), host)
    except (ValueError, OverflowError, OSError) as error:
        where = "OTEL_EXPORTER_PROMETHEUS_HOST and _PORT"
        raise ConfigError([f"{where}: cannot listen on {host}:{port}: {error}"]) from None
    return PrometheusMetricReader()


_READERS = {"otlp": _otlp_reader, "prometheus": _prometheus_reader}


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


# --- logs ---------------------------------------------------------------------------------------


def configure_logging(level: str, format_: Literal["auto", "json", "console"]) -> None:
    """Configures our own loggers and those of the libraries, of which no less than a
    warning is heard.
    """
    for_people = sys.stderr.isatty() if format_ == "auto" else format_ == "console"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace_ids,
        structlog.processors.format_exc_info,
        redact_event,
    ]
    renderer = _renderer(for_people=for_people)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    least = max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()])
    _configure_libraries(shared, renderer, least)


def _renderer(*, for_people: bool) -> structlog.typing.Processor:
    if for_people:
        plain = structlog.dev.plain_traceback  # tracebacks were formatted and redacted before
        return structlog.dev.ConsoleRenderer(exception_formatter=plain)
    return structlog.processors.JSONRenderer()


def _configure_libraries(
    shared: Iterable[structlog.typing.Processor],
    renderer: structlog.typing.Processor,
    level: int,
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _add_trace_ids(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event
