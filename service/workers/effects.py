"""Sends the effects that are due to Stripe."""

from __future__ import annotations

from service.operations.perform_effect import LEASE, perform_effect
from service.store.effects import lease_due_effects
from service.workers.loop import Worker


class EffectsWorker(Worker):
    """PLANNED and UNKNOWN effects, and those whose worker died in the middle."""

    async def run_once(self) -> int:
        house = self.house
        due = await lease_due_effects(house.pool, house.clock(), lease=LEASE, limit=self.batch)
        return await self.each(due, lambda effect: perform_effect(house, effect))
