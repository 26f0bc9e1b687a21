"""Spans of our own: handed over as text, always with ids, and silent about what failed."""

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from service import tracing
from service.tracing import begin, continued, link_to_cause, traceparent
from tests.recorded import Spans

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
CAUSE = f"00-{TRACE_ID}-b7ad6b7169203331-01"


def test_outside_of_any_span_there_is_no_traceparent() -> None:
    assert traceparent() == ""


def test_work_goes_on_in_the_trace_of_its_cause(spans: Spans) -> None:
    with continued("work", CAUSE, {"escrow.tenant": "acme"}) as span:
        handed_on = traceparent()

    ended = spans.named("work")
    assert handed_on == f"00-{TRACE_ID}-{span.get_span_context().span_id:016x}-01"
    assert ended.parent is not None
    assert ended.parent.span_id == 0xB7AD6B7169203331
    assert ended.kind is SpanKind.CONSUMER
    assert dict(ended.attributes or {}) == {"escrow.tenant": "acme"}
    assert ended.status.status_code is trace.StatusCode.UNSET


@pytest.mark.parametrize("cause", ["", "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01"])
def test_work_without_a_cause_begins_a_trace_whatever_is_around_it(
    spans: Spans, cause: str
) -> None:
    with continued("around", ""), continued("work", cause):
        pass

    assert spans.named("work").parent is None


def test_a_failure_tells_its_type_and_nothing_else(spans: Spans) -> None:
    with pytest.raises(ValueError, match="ann@example"), continued("work", CAUSE):
        raise ValueError("ann@example.com is not a number")

    ended = spans.named("work")
    assert dict(ended.attributes or {}) == {"error.type": "ValueError"}
    assert ended.status.status_code is trace.StatusCode.ERROR
    assert ended.status.description is None
    assert not ended.events


def test_a_cause_of_another_trace_is_linked(spans: Spans) -> None:
    with continued("work", ""):
        link_to_cause(CAUSE)
        link_to_cause("")

    (link,) = spans.named("work").links
    assert f"{link.context.trace_id:032x}" == TRACE_ID


@pytest.mark.parametrize("cause", ["", CAUSE])
def test_ids_are_there_when_nothing_is_recorded(cause: str) -> None:
    parent = tracing.context_of(cause)
    span = begin(trace.NoOpTracer(), "work", parent, SpanKind.INTERNAL)

    assert not span.is_recording()
    assert tracing.traceparent_of(span)[3:35] != "0" * 32
    assert (tracing.traceparent_of(span)[3:35] == TRACE_ID) == bool(cause)
