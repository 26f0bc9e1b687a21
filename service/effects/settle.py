"""The answer to a call of Stripe, as an operation like any other: it ends the effect, or puts it
back in the queue, and books what it did in the same commit.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from service.aggregates.contradiction import Contradiction
from service.domain.call import Call, Party
from service.domain.errors import BooksRefused
from service.domain.records.effect import NEEDS_PERSON, Effect
from service.domain.states.effect import SENT, EffectEvent
from service.domain.unit import UnitOfWork
from service.effects.kind import Kind, Subject
from service.effects.table import KINDS
from service.runtime import Runtime, rerun
from service.store.commit import StripeObjectTaken
from service.stripe.objects.values import Unreadable
from service.stripe.outcomes import Lost, Outcome, Postponed, Rejected, Succeeded
from service.tracing import traceparent

SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=10)

log = structlog.get_logger()


async def settle_effect(runtime: Runtime, effect: Effect, outcome: Outcome) -> Outcome:
    """Ends the attempt that leased ``effect`` with what became of it; answers what it counted as.
    A success that does not fit what was asked for is none.

    Does nothing when the effect has ended before, and when the lease has passed to another attempt:
    only a success counts then, because what Stripe has made is made.
    """
    key = f"{effect.public_id}:{effect.attempts}"
    call = Call(effect.tenant_id, "stripe", Party.STRIPE, key, traceparent())
    kind = KINDS[effect.kind]

    async def story(unit: UnitOfWork, outcome: Outcome) -> None:
        subject, current = await kind.load(runtime, unit, effect)
        ours = (current.generation, current.attempts) == (effect.generation, effect.attempts)
        if (ours or isinstance(outcome, Succeeded)) and settle(
            unit, kind, subject, current, outcome
        ):
            await runtime.commit(unit)

    try:
        await rerun(runtime, call, "settle_effect", lambda unit: story(unit, outcome))
    except (BooksRefused, Contradiction, StripeObjectTaken, Unreadable) as problem:
        log.warning("answer contradicts", effect=effect.effect_id.hex, problem=str(problem))
        strange = Lost(f"{type(problem).__name__}: {problem}", strange=True)
        await rerun(runtime, call, "settle_effect", lambda unit: story(unit, strange))
        return strange
    return outcome


def settle(
    unit: UnitOfWork, kind: Kind[Subject], subject: Subject, effect: Effect, outcome: Outcome
) -> bool:
    """Decides what an outcome changes; False when the effect is not open.

    Raises:
        Contradiction, Unreadable: the answer does not fit what was asked.
    """
    if effect.state not in SENT:
        return False
    effect.lease_expires_at = None
    match outcome:
        case Succeeded(answer):
            unit.advance(effect, EffectEvent.SUCCEED)
            effect.stripe_object, effect.error = str(answer.get("id") or ""), {}
            kind.succeed(unit, subject, effect, answer)
        case Rejected(code, message):
            unit.advance(effect, EffectEvent.REJECT)
            effect.error = {"code": code, "message": message}
            kind.reject(unit, subject, effect, outcome)
        case Postponed(reason, retry_s):
            unit.advance(effect, EffectEvent.POSTPONE)
            effect.error = {"code": reason}
            effect.due_at = unit.now + timedelta(seconds=retry_s)
        case Lost(reason, strange=strange):
            unit.advance(effect, EffectEvent.LOSE)
            effect.error = {"code": reason}
            if strange:
                effect.error[NEEDS_PERSON] = "true"
                kind.does_not_fit(unit, subject, effect)
            # The longer the outcome is unknown, the longer the pause: it doubles, from a second.
            age = unit.now - (effect.key_used_at or unit.now)
            effect.due_at = unit.now + min(max(age, SHORTEST_PAUSE), LONGEST_PAUSE)
    return True
