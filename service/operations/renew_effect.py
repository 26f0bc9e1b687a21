"""Asks Stripe again for what it refused before, under the next generation's key."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from service.domain import ids
from service.domain.call import Call
from service.domain.lifecycle import EFFECT, EffectEvent, EffectState, follow
from service.domain.model import Effect
from service.domain.unit import UnitOfWork
from service.operations.house import House, rerun
from service.store.effects import read_effect
from service.store.operations import Answered
from service.store.parties import load_parties


async def renew_rejected(house: House, call: Call, effect_id: UUID) -> None:
    """Puts an effect of a party back into the queue if it was rejected; else does nothing."""
    rejected = await read_effect(house.pool, call.tenant_id, effect_id)
    if rejected is None or rejected.state is not EffectState.REJECTED:
        return
    shown = f"{ids.show(ids.EFFECT, effect_id)}:{rejected.generation}"

    async def story(unit: UnitOfWork) -> None:
        effect = (await load_parties(house.pool, unit, effect_id=effect_id)).effect
        if effect is None or effect.state is not EffectState.REJECTED:
            return
        renew(unit, effect)
        await house.commit(unit)

    try:
        await rerun(house, replace(call, key=shown), "renew_effect", story)
    except Answered:
        return


def renew(unit: UnitOfWork, effect: Effect) -> None:
    """The next generation of an effect: a new key, and nothing known of it yet."""
    effect.state = follow(EFFECT, effect.state, EffectEvent.RENEW, unit.call.party)
    effect.generation += 1
    effect.error = {}
    effect.key_used_at, effect.due_at = None, unit.now
    effect.traceparent = unit.call.traceparent
    unit.put(effect)
