"""Events of transfers."""

from __future__ import annotations

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import open_case
from service.domain.records.effect import EffectKind
from service.domain.states.effect import EffectState
from service.domain.unit import UnitOfWork
from service.effects.create_transfer import CREATE_TRANSFER
from service.effects.settle import settle
from service.events.event import Event, Unmatched, change
from service.runtime import Runtime
from service.stripe.objects.values import our_id
from service.stripe.outcomes import Succeeded


async def transfer_changed(runtime: Runtime, event: Event) -> None:
    """The answer to our call, by an event: it may come first, or instead."""
    effect_id, escrow_id = (our_id(event.object, name) for name in ("effect", "escrow"))
    if effect_id is None or escrow_id is None:
        raise Unmatched("the transfer is not one of ours")

    async def story(unit: UnitOfWork) -> None:
        missing = Unmatched("no escrow of ours")
        case = await open_case(
            runtime, unit, escrow_id, effect_id=effect_id, missing=lambda: missing
        )
        effect = case.records.effect
        if effect is None or effect.kind is not EffectKind.CREATE_TRANSFER:
            raise Unmatched("no transfer of ours")
        if settle(unit, CREATE_TRANSFER, case, effect, Succeeded(dict(event.object))):
            return
        if effect.state is not EffectState.SUCCEEDED:
            # We gave it up, and it exists: its renewal will find it, and this event then fits.
            raise Unmatched(f"the transfer's effect is {effect.state}")
        if effect.stripe_object != event.object.get("id"):
            raise Contradiction(f"the effect made {effect.stripe_object}: paid twice")

    await change(runtime, event.stored, story)


PLATFORM = {
    "transfer.created": transfer_changed,
    "transfer.updated": transfer_changed,
}
