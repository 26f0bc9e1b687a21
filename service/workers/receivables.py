"""Calls back from payees what was refunded to payers, once Stripe has taken the refund."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from uuid import UUID

from opentelemetry.trace import Span

from service.domain import ids
from service.operations.refunds.recover_receivable import recover_receivable
from service.store.receivables import DueReceivable, find_due_receivables
from service.tracing import continued
from service.workers.apart import Apart


class ReceivablesWorker(Apart[DueReceivable]):
    """What payees owe, and can be asked for."""

    async def find(self, limit: int) -> Sequence[DueReceivable]:
        return await find_due_receivables(self.runtime.pool, self.runtime.clock(), limit=limit)

    def key_of(self, item: DueReceivable) -> UUID:
        return item.receivable_id

    def span(self, item: DueReceivable) -> AbstractContextManager[Span]:
        receivable = ids.show(ids.RECEIVABLE, item.receivable_id)
        attributes = {"escrow.tenant": item.tenant_id, "escrow.receivable.id": receivable}
        return continued("recover_receivable", "", attributes)

    async def work_on(self, item: DueReceivable) -> None:
        await recover_receivable(self.runtime, item)
