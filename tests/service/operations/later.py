"""The same service some time later, as its workers see it: leases and pauses are over, keys old."""

from dataclasses import replace
from datetime import timedelta

from service.domain.records.effect import Effect
from service.effects.perform import LEASE
from service.runtime import Runtime
from service.store.effects import lease_due_effects
from service.workers.deadlines import DeadlinesWorker
from service.workers.effects import EffectsWorker
from service.workers.inbox import InboxWorker
from service.workers.transfers import TransfersWorker
from tests.service.operations.marketplace import Marketplace

PAUSE = timedelta(minutes=30)  # longer than the pause after any of a test's few attempts
KEY_LIFETIME = timedelta(hours=25)  # longer than Stripe remembers an idempotency key


class Later:
    """A marketplace's workers, whose clock is ahead; ``pass_by`` moves it, and Stripe's with it."""

    def __init__(self, market: Marketplace) -> None:
        self.market = market
        self.ahead = timedelta()
        now = market.work_runtime.clock
        self.runtime: Runtime = replace(market.work_runtime, clock=lambda: now() + self.ahead)
        self.effects = EffectsWorker(self.runtime)
        self.transfers = TransfersWorker(self.runtime)
        self.inbox = InboxWorker(self.runtime)
        self.deadlines = DeadlinesWorker(self.runtime)

    async def pass_by(self, passed: timedelta) -> None:
        self.ahead += passed
        await self.market.sandbox.advance(int(passed.total_seconds()))

    async def lease(self) -> Effect:
        """Takes the one effect that is due, as a worker does before it calls Stripe."""
        now = self.runtime.clock()
        (leased,) = await lease_due_effects(self.runtime.pool, now, lease=LEASE, limit=16)
        return leased

    async def ask_again(self) -> None:
        """After a pause, what was refused is sent under its next generation's key."""
        await self.pass_by(PAUSE)
        await self.transfers.run_once()
        await self.effects.run_once()
