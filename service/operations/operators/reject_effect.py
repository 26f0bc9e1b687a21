"""An operator ends a call to Stripe of which nothing happened there."""

from __future__ import annotations

from escrow.v1.operator_service_pb2 import RejectEffectRequest, RejectEffectResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import EffectDone, StripeUnavailable
from service.domain.records.effect import Effect
from service.domain.states.effect import EffectState
from service.domain.unit import UnitOfWork
from service.effects.table import KINDS
from service.operations.mutation import mutation
from service.operations.operators.messages import effect_message
from service.operations.operators.repair import (
    check_executed,
    check_unknown,
    end_by_word_of_stripe,
    load_for_repair,
    misfit,
    note,
    read_effect,
)
from service.runtime import Runtime
from service.stripe.outcomes import ENDED_BY_OPERATOR, Lost, Rejected, Succeeded

ENDED = Rejected(ENDED_BY_OPERATOR, "An operator ended it: nothing of it was done at Stripe.")


async def reject_effect(
    runtime: Runtime, call: Call, request: RejectEffectRequest
) -> RejectEffectResponse:
    """Puts back what was in flight (a transfer: posting 7d), once Stripe shows nothing of it.

    Raises:
        EffectMissing, StaleEtag, StripeUnavailable.
        WrongState: it has not been sent, or has ended.
        EffectUnderWay: what was sent may still be executing.
        EffectDone: Stripe shows what it made.
    """
    known = await read_effect(runtime, call, ids.parse(request.effect_id))
    done = await _done(runtime, call, known) if known.state is EffectState.UNKNOWN else None

    @mutation(RejectEffectResponse, of="reject_effect")
    async def story(
        runtime: Runtime, unit: UnitOfWork, request: RejectEffectRequest
    ) -> RejectEffectResponse:
        subject, effect = await load_for_repair(runtime, unit, known, request.etag)
        check_unknown(effect)
        check_executed(effect, unit)
        if done:
            raise EffectDone(stripe_object=done, effect_id=effect.public_id)
        end_by_word_of_stripe(unit, subject, effect, ENDED)
        note(unit, subject, effect)
        answer = RejectEffectResponse(effect=effect_message(effect))
        return answer if request.validate_only else await runtime.save(unit, answer)

    return await story(runtime, call, request)


async def _done(runtime: Runtime, call: Call, effect: Effect) -> str:
    """The object at Stripe for which the effect is not rejected; empty when there is none.

    Where money may have left, anything that bears the effect's id stands in the way. Else only
    what the effect can be settled by.

    Raises:
        StripeUnavailable: Stripe cannot say.
    """
    kind = KINDS[effect.kind]
    found = await runtime.stripe[effect.tenant_id].find(effect, kind.find)
    if found is None or (isinstance(found, Lost) and found.no_access):
        return ""  # Stripe shows nothing of a lost account, so the operator's word counts
    if not isinstance(found, Succeeded):
        raise StripeUnavailable
    if not kind.pays_out and await misfit(runtime, call, effect, found.object):
        return ""
    return str(found.object.get("id") or effect.kind)
