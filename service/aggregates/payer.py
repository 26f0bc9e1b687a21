"""A payer, and the effects that make their customer at Stripe and keep it up to date."""

from __future__ import annotations

from service.domain.records.effect import Effect
from service.domain.records.parties import Payer
from service.domain.unit import UnitOfWork
from service.runtime import Runtime
from service.store.parties import load_payer


async def load_payer_of_effect(
    runtime: Runtime, unit: UnitOfWork, effect: Effect
) -> tuple[Payer, Effect]:
    """The payer that an effect is for, and the effect as it is now."""
    found = await load_payer(runtime.pool, unit, effect.subject_id, effect_id=effect.effect_id)
    assert found.payer is not None
    assert found.effect is not None
    return found.payer, found.effect
