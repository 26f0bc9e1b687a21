"""Sends the effects that are due to Stripe."""

from __future__ import annotations

from contextlib import AbstractContextManager

from opentelemetry.trace import Span

from service.domain.records.effect import Effect
from service.effects.perform import LEASE, effect_span, perform_effect
from service.store.effects import lease_due_effects
from service.workers.loop import Worker


class EffectsWorker(Worker[Effect]):
    """PLANNED and UNKNOWN effects, and those whose worker died in the middle."""

    async def take(self, limit: int) -> list[Effect]:
        runtime = self.runtime
        return await lease_due_effects(runtime.pool, runtime.clock(), lease=LEASE, limit=limit)

    def span(self, item: Effect) -> AbstractContextManager[Span]:
        return effect_span(item)

    async def do(self, item: Effect) -> None:
        await perform_effect(self.runtime, item)
