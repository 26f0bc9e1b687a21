"""Calls back from payees what was refunded to payers, once Stripe has taken the refund."""

from __future__ import annotations

from contextlib import AbstractContextManager
from uuid import UUID

from opentelemetry.trace import Span

from service.domain import ids
from service.operations.refunds.recover_receivable import recover_receivable
from service.runtime import Runtime
from service.store.receivables import DueReceivable, find_due_receivables
from service.tracing import continued
from service.workers.loop import Worker


class ReceivablesWorker(Worker[DueReceivable]):
    """What payees owe, and can be asked for. No lease: to ask twice changes nothing."""

    def __init__(self, runtime: Runtime, *, slots: int = 8) -> None:
        super().__init__(runtime, slots=slots)
        self._at_work: set[UUID] = set()

    async def take(self, limit: int) -> list[DueReceivable]:
        runtime = self.runtime
        most = limit + len(self._at_work)
        found = await find_due_receivables(runtime.pool, runtime.clock(), limit=most)
        free = [each for each in found if each.receivable_id not in self._at_work][:limit]
        self._at_work |= {each.receivable_id for each in free}
        return free

    def span(self, item: DueReceivable) -> AbstractContextManager[Span]:
        receivable = ids.show(ids.RECEIVABLE, item.receivable_id)
        attributes = {"escrow.tenant": item.tenant_id, "escrow.receivable.id": receivable}
        return continued("recover_receivable", "", attributes)

    async def do(self, item: DueReceivable) -> None:
        try:
            await recover_receivable(self.runtime, item)
        finally:
            self._at_work.discard(item.receivable_id)
