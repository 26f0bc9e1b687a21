"""Events of transfers."""

from __future__ import annotations

from typing import Any

from service.aggregates.contradiction import Contradiction, NotOurs
from service.aggregates.escrow import EscrowCase, open_case
from service.aggregates.freeze import Cause, freeze_and_hold_back, threatened_part
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.freeze import FreezeReason
from service.domain.states.effect import EffectState
from service.domain.unit import UnitOfWork
from service.effects.create_transfer import CREATE_TRANSFER, hold_against
from service.effects.settle import settle
from service.events.event import Event, Unmatched, change
from service.movements.reversals import effect_of_reversal
from service.runtime import Runtime
from service.store.effects import find_effect
from service.stripe.objects.values import Object, minor, our_id, part, parts, text
from service.stripe.outcomes import Succeeded


async def transfer_changed(runtime: Runtime, event: Event) -> None:
    """The answer to our call, by an event: it may come first, or instead.

    Before it settles anything, the transfer is fetched: money that moved is Stripe's API's to say.
    """
    tenant_id, transfer_id = event.stored.tenant_id, text(event.object, "id")
    effect_id, escrow_id = (our_id(event.object, name) for name in ("effect", "escrow"))
    if effect_id is None or escrow_id is None:
        raise NotOurs("no transfer")
    known = await find_effect(runtime.pool, tenant_id, effect_id)
    answer: dict[str, Any] | None = None
    done = known is not None and known.state is EffectState.SUCCEEDED
    if known is not None and (not done or event.object.get("amount_reversed")):
        answer = await runtime.stripe[tenant_id].for_workers.fetch_transfer(transfer_id)

    async def story(unit: UnitOfWork) -> None:
        missing = Unmatched("no escrow of ours")
        case = await open_case(
            runtime, unit, escrow_id, effect_id=effect_id, missing=lambda: missing
        )
        effect = case.records.effect
        if effect is None or effect.kind is not EffectKind.CREATE_TRANSFER:
            raise Unmatched("no transfer of ours")
        hold_against(effect, event.object)
        if answer:
            settle(unit, CREATE_TRANSFER, case, effect, Succeeded(answer))
        if effect.state is not EffectState.SUCCEEDED:
            # Not sent yet, or given up although it exists: the effect itself will find it.
            raise Unmatched(f"the transfer's effect is {effect.state}")
        if effect.stripe_object != transfer_id:
            raise Contradiction(f"the effect made {effect.stripe_object}: paid twice")
        if answer:
            await freeze_reversals(runtime, case, effect, answer)

    await change(runtime, event.stored, story)


async def freeze_reversals(
    runtime: Runtime, case: EscrowCase, effect: Effect, transfer: Object
) -> None:
    """Freezes what came back of a transfer without our having asked for it. The transfer carries
    its newest reversals; every one of them has its balance transaction, too. The answer to a
    reversal of ours comes to its own effect.
    """
    payment = case.payment(case.release_of(effect.subject_id).payment_id)
    for reversal in parts(part(transfer, "reversals"), "data"):
        if await effect_of_reversal(runtime, case.escrow.tenant_id, reversal):
            continue
        shown_minor, currency = minor(reversal, "amount"), text(reversal, "currency").upper()
        amount_minor = threatened_part(payment, shown_minor, currency)
        cause = Cause(FreezeReason.TRANSFER_REVERSED, text(reversal, "id"), "reversed")
        await freeze_and_hold_back(runtime, case, payment, amount_minor, cause)


PLATFORM = {
    "transfer.created": transfer_changed,
    "transfer.updated": transfer_changed,
    "transfer.reversed": transfer_changed,
}
