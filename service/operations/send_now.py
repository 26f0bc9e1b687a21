"""Sends a planned effect to Stripe while the client waits, and refuses what Stripe rejects.

Should Stripe not answer in time, a worker goes on, and the same request_id gets the result later.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from service.domain import ids
from service.domain.call import Call
from service.domain.errors import Refusal, StripeRefused
from service.domain.records.effect import Effect
from service.domain.states.effect import EffectState
from service.effects.perform import finish_effect
from service.effects.renew import renew_rejected
from service.runtime import Runtime


def effect_id_of(call: Call, subject_id: UUID, verb: str) -> UUID:
    """The id of the effect that this request plans; its replay finds the same effect."""
    return ids.derive(subject_id, f"{call.caller}:{call.key}:{verb}")


async def send_now(
    runtime: Runtime,
    call: Call,
    effect_id: UUID,
    *,
    renew: bool = False,
    refusal: type[Refusal] | None = StripeRefused,
    mend: str = "",
    facts: Mapping[str, str] = MappingProxyType({}),
) -> Effect:
    """Waits until the effect has ended. With ``renew``, one that Stripe rejected before is sent
    again, as a replay of its request asks. Where a rejection does not refuse the request,
    ``refusal`` is None.

    Raises:
        Refusal: of the type given, with Stripe's sentence and code, and the ``facts``. ``mend`` is
            the sentence that says what to do about it.
        StripeUnavailable.
    """
    if renew:
        await renew_rejected(runtime, call, effect_id)
    effect = await finish_effect(runtime, call.tenant_id, effect_id)
    if refusal is not None and effect.state is EffectState.REJECTED:
        code = effect.error.get("code", "")
        says = effect.error.get("message") or refusal(code=code).message
        raise refusal(f"{says.rstrip('.')}. {mend}".rstrip(), code=code, **facts)
    return effect
