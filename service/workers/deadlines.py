"""Acts on the deadlines that are due, the earliest first."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

from opentelemetry.trace import Span

from service.operations.deadlines.act_on_deadline import act_on_deadline
from service.store.deadlines import DueDeadline, lease_due_deadlines
from service.tracing import continued
from service.workers.loop import Worker

LEASE = timedelta(seconds=60)


class DeadlinesWorker(Worker[DueDeadline]):
    """Deadlines whose time has come, also while nobody was there to act."""

    async def take(self, limit: int) -> list[DueDeadline]:
        runtime = self.runtime
        return await lease_due_deadlines(runtime.pool, runtime.clock(), lease=LEASE, limit=limit)

    def span(self, item: DueDeadline) -> AbstractContextManager[Span]:
        attributes = {"escrow.tenant": item.tenant_id, "escrow.deadline.id": item.public_id}
        return continued("act_on_deadline", "", attributes)

    async def do(self, item: DueDeadline) -> None:
        await act_on_deadline(self.runtime, item)
