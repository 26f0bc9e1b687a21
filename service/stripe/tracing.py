"""A span and a duration for every call to Stripe, named as our gateway names it.

Our own rather than the contributed instrumentation of aiohttp, which records whole URLs: those of
Stripe's lists hold e-mail addresses.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind

from service.domain import ids
from service.domain.records.effect import Effect
from service.stripe.outcomes import outcome_of
from service.tracing import around

_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25)
_TRACER = trace.get_tracer("service.stripe")
_DURATIONS = metrics.get_meter("service.stripe").create_histogram(
    "escrow.stripe.call.duration",
    unit="s",
    description="Duration of calls to Stripe, with their retries.",
    explicit_bucket_boundaries_advisory=_BUCKETS_S,
)


@contextmanager
def calling(operation: str, effect: Effect | None = None) -> Iterator[None]:
    """Around one call of "create_transfer", "find create_transfer", "read payment_intent" ..."""
    outcome = "canceled"
    attributes = {"escrow.stripe.operation": operation}
    span = _TRACER.start_span(f"stripe {operation}", None, SpanKind.CLIENT, attributes)
    if effect is not None and span.is_recording():
        span.set_attribute("escrow.effect.id", ids.show(ids.EFFECT, effect.effect_id))
        span.set_attribute("escrow.effect.generation", effect.generation)
    started_s = time.perf_counter()
    with around(span):
        try:
            yield
            outcome = "succeeded"
        except Exception as error:
            outcome = type(outcome_of(error)).__name__.lower()
            raise
        finally:
            attributes["escrow.stripe.outcome"] = outcome
            span.set_attributes(attributes)
            _DURATIONS.record(time.perf_counter() - started_s, attributes)


def record_answer(status: int, request_id: str | None) -> None:
    """What Stripe answered to one request of the call; the last one stays on its span."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute("http.response.status_code", status)
        if request_id:
            span.set_attribute("stripe.request_id", request_id)
