"""The spans and metrics of this process, for tests of whoever records them.

OpenTelemetry's providers are set once for a process. So they stay; they record spans only while a
test listens, and tell of metrics what was new since they were asked last.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler, SamplingResult

DELTA = AggregationTemporality.DELTA


class _WhileListening(Sampler):
    on = False

    def should_sample(self, *span: Any, **more: Any) -> SamplingResult:  # noqa: ANN401  as inherited
        return (ALWAYS_ON if self.on else ALWAYS_OFF).should_sample(*span, **more)

    def get_description(self) -> str:
        return "while a test listens"


class Spans:
    """The spans that have ended, oldest first."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def ended(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> ReadableSpan:
        """The one span of this name."""
        (span,) = (span for span in self.ended if span.name == name)
        return span


@cache
def _exporter() -> tuple[InMemorySpanExporter, _WhileListening]:
    exporter, sampler = InMemorySpanExporter(), _WhileListening()
    provider = TracerProvider(sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter, sampler


@contextmanager
def recorded_spans() -> Iterator[Spans]:
    exporter, sampler = _exporter()
    exporter.clear()
    sampler.on = True
    try:
        yield Spans(exporter)
    finally:
        sampler.on = False


class Metrics:
    """What was measured since it was asked last."""

    def __init__(self, reader: InMemoryMetricReader) -> None:
        self._reader = reader

    def points(self) -> dict[str, dict[tuple[Any, ...], Any]]:
        """By the metric's name, and by the values of its labels in the order of their names."""
        told: dict[str, dict[tuple[Any, ...], Any]] = {}
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    told[metric.name] = {
                        tuple(value for _, value in sorted((point.attributes or {}).items())): point
                        for point in metric.data.data_points
                    }
        return told


@cache
def _reader() -> InMemoryMetricReader:
    reader = InMemoryMetricReader({Counter: DELTA, Histogram: DELTA})
    metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    return reader


@contextmanager
def recorded_metrics() -> Iterator[Metrics]:
    listening = Metrics(_reader())
    listening.points()
    yield listening
