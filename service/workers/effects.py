"""Sends the effects that are due to Stripe."""

from __future__ import annotations

from service.domain.model import Effect
from service.operations.perform_effect import LEASE, perform_effect
from service.store.effects import lease_due_effects
from service.workers.loop import Worker


class EffectsWorker(Worker[Effect]):
    """PLANNED and UNKNOWN effects, and those whose worker died in the middle."""

    async def take(self, limit: int) -> list[Effect]:
        house = self.house
        return await lease_due_effects(house.pool, house.clock(), lease=LEASE, limit=limit)

    async def do(self, item: Effect) -> None:
        await perform_effect(self.house, item)
