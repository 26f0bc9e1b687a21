"""Reads one call to Stripe, with its attempts."""

from __future__ import annotations

from escrow.v1.operator_service_pb2 import GetEffectRequest, GetEffectResponse
from service.domain import ids
from service.domain.call import Call
from service.operations.operators.messages import attempt_message, effect_message
from service.operations.operators.repair import read_effect
from service.runtime import Runtime
from service.store.effects import find_attempts

MOST_ATTEMPTS = 100


async def get_effect(runtime: Runtime, call: Call, request: GetEffectRequest) -> GetEffectResponse:
    """Raises EffectMissing."""
    effect = await read_effect(runtime, call, ids.parse(request.effect_id))
    attempts = await find_attempts(
        runtime.pool, call.tenant_id, effect.effect_id, limit=MOST_ATTEMPTS
    )
    return GetEffectResponse(effect=effect_message(effect), attempts=map(attempt_message, attempts))
