"""Measures the queues, so that an alarm can say when they do not drain.

Every worker process measures the same queues. The newest value is right; a dashboard takes the
largest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime

import structlog
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from service.domain.deadlines import WARN_AT_PERCENT
from service.domain.errors import DatabaseUnavailable
from service.domain.records.deadline import DeadlineKind
from service.domain.records.effect import EffectKind
from service.domain.records.freeze import FreezeReason
from service.domain.states.effect import OPEN, EffectState
from service.domain.states.refund import DONE, RefundState
from service.runtime import Runtime
from service.store.queues import Waiting, find_waiting
from service.tracing import Attributes

log = structlog.get_logger()

PAUSE_S = 15.0

# What is reported of every queue, also when nothing waits there: (kind, state).
_PLACES: dict[str, Sequence[tuple[str, str]]] = {
    "effects": [(kind, state) for kind in EffectKind for state in EffectState if state in OPEN],
    "strange_answers": [("", "UNKNOWN")],
    "inbox": [("", "RECEIVED"), ("", "PARKED")],
    "set_aside": [("", "QUARANTINED"), ("", "SUSPENSE")],
    "transfers": [("", "WAITING")],
    "settlements": [("", "SUCCEEDED")],
    "refunds": [("", state) for state in RefundState if state not in DONE],
    "receivables": [("", "OWED"), ("", "REVERSING")],
    "deadlines": [(kind, state) for kind in DeadlineKind for state in ("RUNNING", "PUT_OFF")],
    "hold_limits": [("", str(percent)) for percent in WARN_AT_PERCENT],
    "evidence": [("", "WAITING"), ("", "DUE_SOON")],
    "chargebacks": [("", "UNSETTLED")],
    "freezes": [(reason, "OPEN") for reason in FreezeReason],
    "suspense": [("", "OPEN")],
    "unexplained": [("owned", "OPEN"), ("unowned", "OPEN")],
    "differences": [("", "FOUND")],
    "approvals": [("", "WAITING")],
}
_WORKED_ON = (
    *("effects", "inbox", "transfers", "receivables", "deadlines", "closings", "sealings"),
    "sweeps",
)


class QueueWatch:
    """Gauges of what waits. While the queues cannot be read, nothing is reported."""

    def __init__(self, runtime: Runtime, readings: metrics.MeterProvider | None = None) -> None:
        self._runtime = runtime
        self._seen: Sequence[Waiting] | None = None
        meter = metrics.get_meter("service.workers", meter_provider=readings)
        meter.create_observable_gauge(
            "escrow.queue.items",
            [self._items],
            unit="{item}",
            description="What waits, by queue, kind and state; at most 10,000 are counted.",
        )
        meter.create_observable_gauge(
            "escrow.queue.oldest.age",
            [self._ages],
            unit="s",
            description="For how long the oldest of them has waited.",
        )
        meter.create_observable_gauge(
            "escrow.queue.overdue",
            [self._overdue],
            unit="s",
            description="For how long something that could be done has waited for a worker.",
        )
        meter.create_observable_gauge(
            "escrow.evidence.left",
            [self._evidence_left],
            unit="s",
            description="How long Stripe still takes evidence against the chargeback that is due"
            " next; none where no chargeback waits for any.",
        )

    async def run(self) -> None:
        """Looks again and again, until it is canceled."""
        while True:
            try:
                await self.run_once()
            except DatabaseUnavailable as outage:
                self._seen = None
                log.warning("queues not read", cause=str(outage.__cause__))
            except Exception:
                self._seen = None
                log.exception("queues not read")
            await asyncio.sleep(PAUSE_S)

    async def run_once(self) -> None:
        self._seen = await find_waiting(self._runtime.pool, self._runtime.stripe)

    def _items(self, _: CallbackOptions) -> Iterable[Observation]:
        for labels, waiting in self._by_place():
            yield Observation(waiting.items if waiting else 0, labels)

    def _ages(self, _: CallbackOptions) -> Iterable[Observation]:
        for labels, waiting in self._by_place():
            yield Observation(self._age_s(waiting and waiting.oldest_at), labels)

    def _overdue(self, _: CallbackOptions) -> Iterable[Observation]:
        if self._seen is None:
            return
        for queue in _WORKED_ON:
            due = [each.due_at for each in self._seen if each.queue == queue and each.due_at]
            yield Observation(self._age_s(min(due, default=None)), {"escrow.queue": queue})

    def _evidence_left(self, _: CallbackOptions) -> Iterable[Observation]:
        seen = self._seen or ()
        due = [each.due_at for each in seen if each.queue == "evidence" and each.due_at]
        if due:
            yield Observation((min(due) - self._runtime.clock()).total_seconds())

    def _by_place(self) -> Iterable[tuple[Attributes, Waiting | None]]:
        """What waits in every place, with the place's labels; none while the queues are unknown."""
        if self._seen is None:
            return
        seen = {each[:3]: each for each in self._seen}
        for queue, places in _PLACES.items():
            for kind, state in places:
                labels = {"escrow.queue": queue, "escrow.state": state}
                if kind:
                    labels["escrow.kind"] = kind
                yield labels, seen.get((queue, kind, state))

    def _age_s(self, moment: datetime | None) -> float:
        if moment is None:
            return 0.0
        return max(0.0, (self._runtime.clock() - moment).total_seconds())
