"""Spans of our own, by OpenTelemetry's API, and how a trace goes on where work is handed over.

Work that waits as a row (an effect, an event of Stripe) carries the W3C traceparent of the span
that put it there; the worker that takes it up continues that trace. Of an exception a span shows
only the type: the text of an exception may hold what no trace may show.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Attributes = Mapping[str, str | int | float | bool]

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("service")


def traceparent_of(span: Span) -> str:
    """The name by which another process continues a span; "" when it is of no trace."""
    context = span.get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def traceparent() -> str:
    """The span around us, as ``traceparent_of`` names it."""
    return traceparent_of(trace.get_current_span())


def context_of(traceparent: str) -> Context:
    """A context below that span; below nothing when it is "" or malformed."""
    return _PROPAGATOR.extract({"traceparent": traceparent}, Context())


def begin(
    tracer: Tracer,
    name: str,
    parent: Context | None,
    kind: SpanKind,
    attributes: Attributes | None = None,
) -> Span:
    """Starts a span that always has ids, also when nothing is recorded: logs are found by them."""
    span = tracer.start_span(name, parent, kind, attributes)
    if span.get_span_context().is_valid:
        return span
    ids = SpanContext(random.getrandbits(128), random.getrandbits(64), is_remote=False)
    return NonRecordingSpan(ids)


@contextmanager
def continued(name: str, cause: str, attributes: Attributes | None = None) -> Iterator[Span]:
    """A span around work that was handed over by the span ``cause``, a traceparent."""
    span = begin(_TRACER, name, context_of(cause), SpanKind.CONSUMER, attributes)
    with around(span):
        yield span


@contextmanager
def around(span: Span) -> Iterator[Span]:
    """Makes the span the current one and ends it; an exception that passes marks it as failed."""
    with trace.use_span(
        span, end_on_exit=True, record_exception=False, set_status_on_exception=False
    ):
        try:
            yield span
        except Exception as error:
            mark_failed(span, error)
            raise


def mark_failed(span: Span, error: Exception) -> None:
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(trace.StatusCode.ERROR)


def link_to_cause(cause: str) -> None:
    """Links the span around us to one of another trace that led to it, a traceparent."""
    context = trace.get_current_span(context_of(cause)).get_span_context()
    if context.is_valid:
        trace.get_current_span().add_link(context)
