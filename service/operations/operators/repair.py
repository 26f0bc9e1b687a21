"""What the repairs of an effect share: the effect is as it was read, no attempt of it is under way,
and the escrow's timeline keeps who asked.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import EscrowCase
from service.domain.call import Call, Party
from service.domain.errors import Busy, EffectMissing, EffectUnderWay, StaleEtag, WrongState
from service.domain.records.effect import Effect
from service.domain.states.effect import EffectState
from service.domain.unit import UnitOfWork
from service.effects.perform import LEASE
from service.effects.settle import settle
from service.effects.table import KINDS
from service.runtime import Runtime
from service.store.effects import find_effect
from service.stripe.objects.values import Unreadable
from service.stripe.outcomes import Outcome, Succeeded

# What was sent longer ago than this has had its effect at Stripe, or never will.
STILL_EXECUTING = LEASE


async def read_effect(runtime: Runtime, call: Call, effect_id: UUID) -> Effect:
    """Raises EffectMissing."""
    effect = await find_effect(runtime.pool, call.tenant_id, effect_id)
    if effect is None:
        raise EffectMissing
    return effect


async def load_for_repair(
    runtime: Runtime, unit: UnitOfWork, known: Effect, etag: str
) -> tuple[Any, Effect]:
    """What the effect is settled against, and the effect as it was read.

    Raises:
        Answered: the same request was done before.
        StaleEtag, EffectUnderWay.
        Busy: it changed since ``known`` was read.
    """
    subject, effect = await KINDS[known.kind].load(runtime, unit, known)
    if etag and etag != str(effect.version):
        raise StaleEtag(etag=effect.version)
    if effect.state is EffectState.SENDING:
        raise EffectUnderWay(effect_id=effect.public_id)
    if effect.version != known.version:
        raise Busy
    return subject, effect


def check_unknown(effect: Effect) -> None:
    """Only what may have been sent, and has no answer, is ended by an operator.

    Raises:
        WrongState.
    """
    if effect.state is EffectState.PLANNED:
        says = f"{effect.public_id} has not been sent: RetryEffect sends it now."
        raise WrongState(says, effect_id=effect.public_id, state=effect.state)
    if effect.state is not EffectState.UNKNOWN:
        says = f"{effect.public_id} has ended ({effect.state.value})."
        raise WrongState(says, effect_id=effect.public_id, state=effect.state)


def check_executed(effect: Effect, unit: UnitOfWork) -> None:
    """Nothing that was sent for it may still be executing at Stripe.

    Raises:
        EffectUnderWay.
    """
    over_at = effect.updated_at + STILL_EXECUTING
    if over_at > unit.now:
        raise EffectUnderWay(effect_id=effect.public_id, retry_at=over_at.isoformat())


def end_by_word_of_stripe(
    unit: UnitOfWork,
    subject: object,
    effect: Effect,
    outcome: Outcome,
) -> None:
    """Settles the effect as the answer to its call would have: an operator asked, Stripe said.

    Raises:
        Contradiction, Unreadable.
    """
    unit.word_of = Party.STRIPE
    settle(unit, KINDS[effect.kind], subject, effect, outcome)


def note(unit: UnitOfWork, subject: object, effect: Effect, made: str = "") -> None:
    """Keeps with the operation what it is about, and the operation with the effect's escrow."""
    unit.note = f"{effect.public_id}: {made}" if made else effect.public_id
    if isinstance(subject, EscrowCase):
        subject.touch()


async def misfit(runtime: Runtime, call: Call, known: Effect, answer: dict[str, Any]) -> str:
    """Why the effect cannot be settled by this answer; empty when it can. Nothing is written."""
    unit = UnitOfWork(call, "try_answer", b"", runtime.clock())
    subject, effect = await KINDS[known.kind].load(runtime, unit, known)
    try:
        end_by_word_of_stripe(unit, subject, effect, Succeeded(answer))
    except (Contradiction, Unreadable) as problem:
        return str(problem)
    return ""
