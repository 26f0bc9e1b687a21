"""Sends the effects that are due to Stripe."""

from __future__ import annotations

from contextlib import AbstractContextManager

from opentelemetry.trace import Span

from service.domain.model import Effect
from service.operations.perform_effect import LEASE, effect_span, perform_effect
from service.store.effects import lease_due_effects
from service.workers.loop import Worker


class EffectsWorker(Worker[Effect]):
    """PLANNED and UNKNOWN effects, and those whose worker died in the middle."""

    async def take(self, limit: int) -> list[Effect]:
        house = self.house
        return await lease_due_effects(house.pool, house.clock(), lease=LEASE, limit=limit)

    def span(self, item: Effect) -> AbstractContextManager[Span]:
        return effect_span(item)

    async def do(self, item: Effect) -> None:
        await perform_effect(self.house, item)
