"""Asks Stripe again for what it rejected before, or with what has changed since it did it, under
the next generation's key.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from service.domain.call import Call
from service.domain.records.effect import Effect
from service.domain.states.effect import OPEN, EffectEvent, EffectState
from service.domain.unit import UnitOfWork
from service.runtime import Runtime, rerun
from service.store.effects import find_effect
from service.store.operations import Answered
from service.store.parties import load_parties


async def renew_rejected(runtime: Runtime, call: Call, effect_id: UUID) -> None:
    """Puts an effect of a party back into the queue if it was rejected; else does nothing."""
    rejected = await find_effect(runtime.pool, call.tenant_id, effect_id)
    if rejected is None or rejected.state is not EffectState.REJECTED:
        return
    key = f"{rejected.public_id}:{rejected.generation}"

    async def story(unit: UnitOfWork) -> None:
        effect = (await load_parties(runtime.pool, unit, effect_id=effect_id)).effect
        if effect is None or effect.state is not EffectState.REJECTED:
            return
        renew(unit, effect)
        await runtime.commit(unit)

    try:
        await rerun(runtime, replace(call, key=key), "renew_effect", story)
    except Answered:
        return


def renew(unit: UnitOfWork, effect: Effect, event: EffectEvent = EffectEvent.RENEW) -> None:
    """The next generation of an effect: a new key, and nothing known of it yet."""
    unit.advance(effect, event)
    effect.generation += 1
    effect.error = {}
    effect.stripe_object = None
    effect.key_used_at, effect.due_at = None, unit.now
    effect.traceparent = unit.call.traceparent


def ask_again(unit: UnitOfWork, effect: Effect, request: dict[str, Any]) -> None:
    """Sends an effect that has ended again, with another request. One that is open is written too,
    so that its answer meets what has changed since it was planned.
    """
    if effect.state in OPEN:
        unit.put(effect)
        return
    refused = effect.state is EffectState.REJECTED
    renew(unit, effect, EffectEvent.RENEW if refused else EffectEvent.REPEAT)
    effect.request = request
