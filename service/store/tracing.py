"""What is recorded of a lane's batches: a span for each, how many shared it, how long each waited.

A batch has many causes, and a span has one parent: it is below the first of them that is recorded,
and linked with all of them in both directions. When none is recorded, there is no span.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol, TypeVar

from opentelemetry import metrics, trace
from opentelemetry.trace import Link, Span

from service.tracing import around

Result = TypeVar("Result")

_SIZES = (1, 2, 4, 8, 12, 16, 20)  # a lane takes 24
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_TRACER = trace.get_tracer("service.store")
_METER = metrics.get_meter("service.store")


class Waiting(Protocol):
    """An item that waits in a lane, and the span in which it waits."""

    @property
    def span(self) -> Span: ...
    @property
    def joined_s(self) -> float: ...


class Batches:
    """The telemetry of the lanes of one name: "commit" or "load"."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._sizes = _METER.create_histogram(
            f"escrow.{name}.batch.size",
            unit="{unit}",
            description=f"How many shared a {name}.",
            explicit_bucket_boundaries_advisory=_SIZES,
        )
        self._waits = _METER.create_histogram(
            f"escrow.{name}.wait.duration",
            unit="s",
            description=f"From joining to the end of the shared {name}, of whoever waited longest.",
            explicit_bucket_boundaries_advisory=_BUCKETS_S,
        )

    async def follow(self, waiting: Sequence[Waiting], batch: Awaitable[Result]) -> Result:
        """Awaits the batch of these items, which joined in this order, and records it."""
        recorded = [each for each in waiting if each.span.is_recording()]
        try:
            return await (self._recorded(recorded, batch) if recorded else batch)
        finally:
            self._sizes.record(len(waiting))
            self._waits.record(time.perf_counter() - waiting[0].joined_s)

    async def _recorded(self, waiting: Sequence[Waiting], batch: Awaitable[Result]) -> Result:
        below = trace.set_span_in_context(waiting[0].span)
        links = [Link(each.span.get_span_context()) for each in waiting]
        span = _TRACER.start_span(self._name, below, links=links)
        began_s = time.perf_counter()
        for each in waiting:
            wait = {"escrow.wait.duration": began_s - each.joined_s}
            each.span.add_link(span.get_span_context(), wait)
        with around(span):
            return await batch


COMMITS, LOADS = Batches("commit"), Batches("load")
_CONFLICTS = _METER.create_counter(
    "escrow.commit.conflicts",
    unit="{unit}",
    description="Units that somebody else overtook, and whose operations were run again.",
)
_SPLITS = _METER.create_counter(
    "escrow.commit.splits",
    unit="{commit}",
    description="Shared commits that were refused, and repeated in halves.",
)


def record_commit(*, units: int, conflicts: int, refused: int) -> None:
    """How a commit ended; ``refused`` are all units that were not written, conflicts included."""
    if conflicts:
        _CONFLICTS.add(conflicts)
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute("escrow.commit.units", units)
        span.set_attribute("escrow.commit.conflicts", conflicts)
        span.set_attribute("escrow.commit.refused", refused)


def record_split() -> None:
    _SPLITS.add(1)


def record_statement(units: int, rows: Mapping[str, Sequence[object]]) -> None:
    """What the next statement of a commit writes; after a split there are several."""
    span = trace.get_current_span()
    if span.is_recording():
        count = sum(map(len, rows.values()))
        span.add_event("statement", {"escrow.commit.units": units, "escrow.commit.rows": count})
