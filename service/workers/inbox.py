"""Applies Stripe's events, each on its own: a poison event never blocks the others."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

import structlog
from opentelemetry import metrics
from opentelemetry.trace import Span

from service.aggregates.contradiction import Contradiction
from service.domain.errors import StripeRefused, Unavailable
from service.events.apply import apply_stripe_event
from service.events.event import Unmatched
from service.store.stripe_events import StoredEvent, lease_due_events, set_event_aside
from service.stripe.objects.values import Unreadable
from service.tracing import Attributes, continued
from service.workers.loop import Worker

log = structlog.get_logger()
_ENDED = metrics.get_meter("service.workers").create_counter(
    "escrow.events.ended",
    unit="{event}",
    description="What became of Stripe's events, by type and outcome.",
)

LEASE = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(hours=1)
# About three days with the pauses below: as long as Stripe itself goes on trying.
MOST_ATTEMPTS = 80
# About four minutes: what Stripe does not know by then, it will not know later either.
MOST_REFUSALS = 8


class InboxWorker(Worker[StoredEvent]):
    """RECEIVED and PARKED events that are due."""

    async def take(self, limit: int) -> list[StoredEvent]:
        runtime = self.runtime
        return await lease_due_events(runtime.pool, runtime.clock(), lease=LEASE, limit=limit)

    def span(self, item: StoredEvent) -> AbstractContextManager[Span]:
        attributes: Attributes = {
            "escrow.tenant": item.tenant_id,
            "escrow.event.id": item.event_id,
            "escrow.event.type": item.type,
            "escrow.event.attempt": item.attempts,
        }
        return continued("apply_stripe_event", item.traceparent, attributes)

    async def do(self, item: StoredEvent) -> None:
        event = item
        try:
            _count(event, await apply_stripe_event(self.runtime, event))
        except Unmatched as problem:
            await self._park(event, str(problem))
        except Unavailable as problem:
            await self._park(event, problem.reason())
        except StripeRefused as problem:
            await self._park(event, f"StripeRefused: {problem}", most=MOST_REFUSALS)
        except (Unreadable, Contradiction) as problem:  # waiting heals neither
            await self._set_aside(event, f"{type(problem).__name__}: {problem}")
        except Exception as bug:
            await self._park(event, f"{type(bug).__name__}: {bug}")
            raise

    async def _park(self, event: StoredEvent, reason: str, most: int = MOST_ATTEMPTS) -> None:
        if event.attempts >= most:
            await self._set_aside(event, reason)
            return
        pause = min(timedelta(seconds=2 ** min(event.attempts - 1, 20)), LONGEST_PAUSE)
        await set_event_aside(
            self.runtime.pool,
            event,
            state="PARKED",
            reason=reason,
            due_at=self.runtime.clock() + pause,
        )

    async def _set_aside(self, event: StoredEvent, reason: str) -> None:
        """Shown to operators, not tried again."""
        _count(event, "set_aside")
        log.warning("event set aside", event_id=event.event_id, problem=reason)
        await set_event_aside(
            self.runtime.pool, event, state="SUSPENSE", reason=reason, due_at=self.runtime.clock()
        )


def _count(event: StoredEvent, outcome: str) -> None:
    type_ = "other" if outcome == "not_acted_on" else event.type  # Stripe has hundreds
    _ENDED.add(1, {"escrow.event.type": type_, "escrow.event.outcome": outcome})
