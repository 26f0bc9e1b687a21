"""An operator has a call to Stripe looked up now, and not only after its pause."""

from __future__ import annotations

from escrow.v1.operator_service_pb2 import RetryEffectRequest, RetryEffectResponse
from service.domain import ids
from service.domain.states.effect import EffectEvent
from service.domain.unit import UnitOfWork
from service.operations.mutation import mutation
from service.operations.operators.messages import effect_message
from service.operations.operators.repair import load_for_repair, note, read_effect
from service.runtime import Runtime


@mutation(RetryEffectResponse)
async def retry_effect(
    runtime: Runtime, unit: UnitOfWork, request: RetryEffectRequest
) -> RetryEffectResponse:
    """It is due at once. A worker does what it always does: look first, and send what is not found
    only under a key that Stripe remembers.

    Raises:
        EffectMissing, StaleEtag, EffectUnderWay.
        WrongState: it has ended.
    """
    known = await read_effect(runtime, unit.call, ids.parse(request.effect_id))
    subject, effect = await load_for_repair(runtime, unit, known, request.etag)
    unit.advance(effect, EffectEvent.RETRY)
    effect.due_at = unit.now
    note(unit, subject, effect)
    return await runtime.save(unit, RetryEffectResponse(effect=effect_message(effect)))
