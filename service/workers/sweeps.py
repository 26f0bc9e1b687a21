"""Reads what moved the balances at Stripe, and once a day compares the books with Stripe's."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

import structlog
from opentelemetry.trace import Span

from service.domain.errors import StripeRefused, Unavailable
from service.operations.sweeps.compare_with_stripe import NEXT_COMPARISON, compare_account
from service.operations.sweeps.sweep_balance_transactions import (
    LEASE,
    pause_of,
    sweep_account,
)
from service.runtime import Runtime
from service.store.sweeps import Sweep, add_tenants, save_sweep, take_due_sweeps
from service.stripe.objects.values import Unreadable
from service.tracing import continued
from service.workers.loop import Worker

log = structlog.get_logger()

TROUBLE_PAUSE = timedelta(seconds=20)  # when Stripe did not answer


class SweepsWorker(Worker[Sweep]):
    """Accounts at Stripe that are due to be read: the tenants' own, and payees' that got money."""

    def __init__(self, runtime: Runtime, *, slots: int = 4) -> None:
        super().__init__(runtime, slots=slots)
        self._added: set[str] = set()

    async def take(self, limit: int) -> list[Sweep]:
        runtime, now = self.runtime, self.runtime.clock()
        if new := runtime.stripe.keys() - self._added:
            await add_tenants(runtime.pool, new, now)
            self._added |= new
        return await take_due_sweeps(runtime.pool, runtime.stripe, now, lease=LEASE, limit=limit)

    def span(self, item: Sweep) -> AbstractContextManager[Span]:
        attributes = {"escrow.tenant": item.tenant_id, "escrow.stripe.account": item.account}
        return continued("sweep_balance_transactions", "", attributes)

    async def do(self, item: Sweep) -> None:
        every = pause_of(item.account)
        try:
            if item.compare_due_at <= self.runtime.clock():
                await self._compare(item, every)
            else:
                await sweep_account(self.runtime, item, every=every)
        except (Unavailable, StripeRefused, Unreadable) as problem:
            refused = isinstance(problem, StripeRefused)
            log.warning(
                "sweep interrupted",
                tenant=item.tenant_id,
                account=item.account,
                problem=f"{type(problem).__name__}: {problem}",
            )
            if refused:
                item.page_after = None  # a page that Stripe refuses is not asked for again
            pause = every if refused and item.account else TROUBLE_PAUSE
            await save_sweep(self.runtime.pool, item, self.runtime.clock() + pause)

    async def _compare(self, item: Sweep, every: timedelta) -> None:
        found = await compare_account(self.runtime, item, every=every)
        if found.clean:
            log.info("same as Stripe", tenant=item.tenant_id, account=item.account)
            return
        log.error(
            "differs from Stripe",
            tenant=item.tenant_id,
            account=item.account,
            differences=found.differences,
            wrong=found.wrong[:10],
            next_look_s=NEXT_COMPARISON.total_seconds(),
        )
