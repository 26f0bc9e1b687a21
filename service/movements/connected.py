"""What moves a payee's account: our transfers and payouts, and whatever else happens there."""

from __future__ import annotations

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import effect_source, open_case
from service.aggregates.payout import account_of_payout, observe_payout, payout_source
from service.aggregates.release import CONFIRMS, arrived_converted
from service.domain.errors import StripeRefused
from service.domain.postings import JournalKind
from service.domain.records.effect import Effect
from service.domain.states.effect import OPEN
from service.domain.unit import UnitOfWork
from service.movements.movement import (
    Movement,
    Undecided,
    add_row,
    gateway_of,
    is_booked,
    run,
)
from service.movements.reversals import is_reversal
from service.movements.transfers import effect_of
from service.runtime import Runtime
from service.store.effects import find_effect
from service.store.parties import load_payee
from service.store.payments import find_payout, find_transferred
from service.stripe.objects.payout import parse_payout
from service.stripe.objects.values import Object, Unreadable, id_of, our_id, text

ARRIVED_KINDS = tuple(CONFIRMS.values())
PAYOUT_KINDS = {
    False: (JournalKind.PAYOUT_CREATED,),
    True: (JournalKind.PAYOUT_RETURNED, JournalKind.PAYOUT_RETURNED_AFTER_PAID),
}
"""What books a payout, by whether its movement brought money."""


async def is_ours(runtime: Runtime, movement: Movement) -> bool:
    """Whether a transfer or a payout of ours moved it; its row then names the journal of that.

    Raises:
        Undecided: we do not know yet what became of the transfer.
        StripeUnavailable.
    """
    source = movement.source or {}
    try:
        if source.get("object") == "charge" and (transfer_id := id_of(source, "source_transfer")):
            return await _is_transfer(runtime, movement, transfer_id)
        reversal_id = id_of(source, "source_transfer_reversal")
        if source.get("object") == "refund" and reversal_id:
            return await is_reversal(runtime, movement, reversal_id)
        if source.get("object") == "payout":
            return await _is_payout(runtime, movement, source)
    except (Contradiction, StripeRefused, Unreadable):
        return False
    return False


async def _is_transfer(runtime: Runtime, movement: Movement, transfer_id: str) -> bool:
    found = await find_transferred(runtime.pool, movement.tenant_id, transfer_id)
    effect: Effect | None
    if found is not None:
        effect = await find_effect(runtime.pool, movement.tenant_id, found.effect_id)
        assert effect is not None
        return await _arrived(runtime, movement, effect)
    transfer = await gateway_of(runtime, movement).fetch_transfer(transfer_id)
    effect = await effect_of(runtime, movement.tenant_id, transfer)
    if effect is not None:
        why = f"the transfer's effect is {effect.state}"
        # Its confirmation books this account, too, and may come after days, or has come just now:
        # patience that ends before would book it twice.
        if effect.state in OPEN or effect.stripe_object == transfer_id:
            raise Undecided(why)
        movement.undecided(why)
    return False


async def _arrived(runtime: Runtime, movement: Movement, effect: Effect) -> bool:
    """Posting 7cx where the payee's account holds another currency than the transfer's."""
    assert effect.escrow_id is not None
    escrow_id, shown = effect.escrow_id, movement.shown

    async def story(unit: UnitOfWork) -> bool:
        case = await open_case(runtime, unit, escrow_id)
        release = case.release_of(effect.subject_id)
        _, currency = release.transfer
        if shown.currency == currency:
            made = effect_source(effect)
            return await add_row(runtime, unit, movement, made, *ARRIVED_KINDS)
        if await is_booked(runtime, movement):
            return True
        case.touch()
        unit.post(
            *arrived_converted(effect, release, shown.net_minor),
            settled_currency=shown.currency,
            event_at=shown.created_at,
            transaction=shown,
            account=movement.account,
        )
        return True

    return await run(runtime, movement, story)


async def _is_payout(runtime: Runtime, movement: Movement, shown: Object) -> bool:
    """The payout is fetched and observed first: its events may never have come."""
    known = await find_payout(runtime.pool, movement.tenant_id, movement.account, text(shown, "id"))
    payout_id, payee_id = known or (our_id(shown, name) for name in ("payout", "payee"))
    if payout_id is None or payee_id is None:
        return False
    gateway = gateway_of(runtime, movement)
    fetched = await gateway.fetch_payout(text(shown, "id"), movement.account)

    async def story(unit: UnitOfWork) -> bool:
        found = await load_payee(
            runtime.pool, unit, payee_id, payout_id=payout_id, effect_id=payout_id
        )
        payout = (
            next((p for p in found.payouts if p.payout_id == payout_id), None) if found else None
        )
        if found is None or payout is None or account_of_payout(found) != movement.account:
            return False
        observe_payout(unit, found, payout, parse_payout(fetched))
        kinds = PAYOUT_KINDS[movement.brought]
        return await add_row(runtime, unit, movement, payout_source(payout), *kinds)

    return await run(runtime, movement, story)
