"""A transfer, which an effect of ours made, and what came back of it without our asking."""

from __future__ import annotations

from service.aggregates.contradiction import Contradiction, NotOurs
from service.aggregates.escrow import effect_source, open_case
from service.aggregates.freeze import threatened_part
from service.domain.postings import JournalKind
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.freeze import FreezeReason
from service.domain.states.effect import SENT, EffectState
from service.domain.unit import UnitOfWork
from service.effects.create_transfer import CREATE_TRANSFER
from service.effects.settle import settle
from service.movements.movement import (
    OPERATION,
    Movement,
    Touched,
    add_row,
    call_of,
    gateway_of,
    run,
)
from service.runtime import Runtime
from service.store.commit import StripeObjectTaken
from service.store.effects import find_effect
from service.store.payments import find_transferred
from service.stripe.objects.values import Object, Unreadable, id_of, our_id, text
from service.stripe.outcomes import Succeeded


async def transfer_moved(runtime: Runtime, movement: Movement) -> Touched | None:
    """Postings 7b and 7c, where the answer to our call was lost and no event came either."""
    transfer = movement.source
    assert transfer is not None
    effect = await effect_of(runtime, movement.tenant_id, transfer)
    if effect is None:
        raise NotOurs("no transfer")
    if movement.shown.type == "transfer":
        if effect.state in SENT:
            if await _confirmed(runtime, movement, effect, text(transfer, "id")):
                return None
        elif effect.stripe_object == text(transfer, "id"):
            if await _has_row(runtime, movement, effect):
                return None
        elif effect.state is not EffectState.SUCCEEDED:
            movement.undecided(f"the transfer's effect is {effect.state}")
    return await _touched(runtime, movement, effect, FreezeReason.UNEXPLAINED, movement.shown.id)


async def reversal_touches(runtime: Runtime, movement: Movement) -> Touched:
    """What a reversal touches that nobody here asked for. The transfer is fetched, for a reversal
    does not name what it belongs to.
    """
    reversal = movement.source
    assert reversal is not None
    transfer_id = id_of(reversal, "transfer") or ""
    transfer = await gateway_of(runtime, movement).fetch_transfer(transfer_id)
    effect = await effect_of(runtime, movement.tenant_id, transfer)
    if effect is None:
        raise NotOurs("no transfer")
    if effect.state is not EffectState.SUCCEEDED:
        movement.undecided(f"the transfer's effect is {effect.state}")
    reason = FreezeReason.TRANSFER_REVERSED
    return await _touched(runtime, movement, effect, reason, text(reversal, "id"))


async def effect_of(runtime: Runtime, tenant_id: str, transfer: Object) -> Effect | None:
    """The effect that made a transfer: by our id in its metadata, and by the transfer's own id."""
    effect_id = our_id(transfer, "effect")
    effect = await find_effect(runtime.pool, tenant_id, effect_id) if effect_id else None
    if effect is not None and effect.kind is EffectKind.CREATE_TRANSFER:
        return effect
    found = await find_transferred(runtime.pool, tenant_id, text(transfer, "id"))
    return await find_effect(runtime.pool, tenant_id, found.effect_id) if found else None


async def _has_row(runtime: Runtime, movement: Movement, effect: Effect) -> bool:
    """Whether the effect's transfer, which is confirmed, is what moved; it then gets its row."""
    made, kind = effect_source(effect), JournalKind.TRANSFER_CONFIRMED
    return await run(runtime, movement, lambda unit: add_row(runtime, unit, movement, made, kind))


async def _confirmed(
    runtime: Runtime, movement: Movement, effect: Effect, transfer_id: str
) -> bool:
    """Whether this movement is what the effect asked for; books what is new of that."""
    assert effect.escrow_id is not None
    escrow_id = effect.escrow_id
    transfer = await gateway_of(runtime, movement).fetch_transfer(transfer_id)

    async def story(unit: UnitOfWork) -> bool:
        case = await open_case(runtime, unit, escrow_id, effect_id=effect.effect_id)
        current = case.records.effect
        assert current is not None
        settle(unit, CREATE_TRANSFER, case, current, Succeeded(transfer))
        if current.stripe_object != transfer_id:
            return False
        kind = JournalKind.TRANSFER_CONFIRMED
        return await add_row(runtime, unit, movement, effect_source(current), kind)

    try:
        return await run(runtime, movement, story)
    except Unreadable as problem:  # a moment may heal it
        movement.undecided(f"{type(problem).__name__}: {problem}")
        return False
    except (Contradiction, StripeObjectTaken):
        return False


async def _touched(
    runtime: Runtime, movement: Movement, effect: Effect, reason: FreezeReason, source: str
) -> Touched:
    assert effect.escrow_id is not None
    unit = UnitOfWork(call_of(movement), OPERATION, b"", runtime.clock())
    case = await open_case(runtime, unit, effect.escrow_id)
    payment = case.payment(case.release_of(effect.subject_id).payment_id)
    shown = movement.shown
    amount_minor = threatened_part(payment, abs(shown.net_minor), shown.currency)
    return Touched(effect.escrow_id, payment.payment_id, amount_minor, reason, source)
