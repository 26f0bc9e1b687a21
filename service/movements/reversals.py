"""The reversal of a transfer: of one of ours, or of one that somebody made at Stripe."""

from __future__ import annotations

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import effect_source, open_case
from service.domain.journal import Part
from service.domain.postings import JournalKind
from service.domain.records.effect import Effect, EffectKind
from service.domain.states.effect import SENT, EffectState
from service.domain.unit import UnitOfWork
from service.effects.reverse_transfer import REVERSE_TRANSFER, fetch, hold_against
from service.effects.settle import settle
from service.movements.movement import (
    Movement,
    Touched,
    Undecided,
    add_row,
    gateway_of,
    is_booked,
    run,
)
from service.movements.transfers import reversal_touches
from service.runtime import Runtime
from service.store.commit import StripeObjectTaken
from service.store.effects import find_effect
from service.store.receivables import find_reversed, is_reversing
from service.stripe.objects.values import Object, Unreadable, our_id, text
from service.stripe.outcomes import Succeeded

KINDS = (JournalKind.REVERSAL_CONFIRMED, JournalKind.REVERSAL_CONVERTED)


async def reversal_moved(runtime: Runtime, movement: Movement) -> Touched | None:
    """Posting 12, where the answer to our call was lost and no event came either."""
    assert movement.source is not None
    effect = await effect_of_reversal(runtime, movement.tenant_id, movement.source)
    if effect is None:
        return await reversal_touches(runtime, movement)
    if effect.state in SENT or effect.state is EffectState.SUCCEEDED:
        if await _booked(runtime, movement, effect, text(movement.source, "id")):
            return None
    else:
        movement.undecided(f"the reversal's effect is {effect.state}")
    return await reversal_touches(runtime, movement)


async def effect_of_reversal(runtime: Runtime, tenant_id: str, reversal: Object) -> Effect | None:
    """The effect that made a reversal; None where it is nothing that one of ours asked for."""
    effect_id = our_id(reversal, "effect")
    effect = await find_effect(runtime.pool, tenant_id, effect_id) if effect_id else None
    if effect is None or effect.kind is not EffectKind.REVERSE_TRANSFER:
        return None
    try:
        hold_against(effect, reversal)
    except (Contradiction, Unreadable):
        return None
    ours = effect.stripe_object in (None, "", text(reversal, "id"))
    return effect if ours else None


async def _booked(runtime: Runtime, movement: Movement, effect: Effect, reversal_id: str) -> bool:
    """Whether this movement is what the effect asked for; books what is new of that."""
    assert effect.escrow_id is not None
    escrow_id = effect.escrow_id
    gateway = gateway_of(runtime, movement)
    reversal = await gateway.fetch_made(effect, fetch, reversal_id)

    async def story(unit: UnitOfWork) -> bool:
        case = await open_case(runtime, unit, escrow_id, effect_id=effect.effect_id)
        current = case.records.effect
        assert current is not None
        settle(unit, REVERSE_TRANSFER, case, current, Succeeded(dict(reversal)))
        if current.stripe_object != reversal_id:
            return False
        return await add_row(runtime, unit, movement, effect_source(current), *KINDS)

    try:
        return await run(runtime, movement, story)
    except Unreadable as problem:  # a moment may heal it
        movement.undecided(f"{type(problem).__name__}: {problem}")
        return False
    except (Contradiction, StripeObjectTaken):
        return False


async def is_reversal(runtime: Runtime, movement: Movement, reversal_id: str) -> bool:
    """Whether a reversal of ours has moved a connected account. Posting 12cx where that gave back
    another currency than the transfer's.

    Raises:
        Undecided: we do not know yet what became of the reversal.
    """
    # In this order: one that is confirmed between the two looks is found by the second.
    reversing = await is_reversing(runtime.pool, movement.tenant_id, movement.account)
    found = await find_reversed(runtime.pool, movement.tenant_id, reversal_id)
    if found is None:
        if reversing:
            raise Undecided("a transfer to this account is being reversed")
        return False
    debt, effect_id = found
    effect = await find_effect(runtime.pool, movement.tenant_id, effect_id)
    assert effect is not None
    assert effect.escrow_id is not None
    source, escrow_id, shown = effect_source(effect), effect.escrow_id, movement.shown

    async def story(unit: UnitOfWork) -> bool:
        if shown.currency == debt.reversal_currency:
            return await add_row(runtime, unit, movement, source, *KINDS)
        if await is_booked(runtime, movement):
            return True
        case = await open_case(runtime, unit, escrow_id)
        case.touch()
        amounts = {"amount": effect.request["amount"], "settled": -shown.net_minor}
        unit.post(
            JournalKind.RETURNED_CONVERTED,
            source,
            debt.reversal_currency,
            [Part({"account": movement.account}, amounts)],
            settled_currency=shown.currency,
            event_at=shown.created_at,
            transaction=shown,
            account=movement.account,
        )
        return True

    return await run(runtime, movement, story)
