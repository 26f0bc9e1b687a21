"""Events of payees' payouts."""

from __future__ import annotations

from service.aggregates.contradiction import Contradiction, NotOurs
from service.aggregates.payout import account_of_payout, observe_payout
from service.domain.unit import UnitOfWork
from service.events.event import Event, Unmatched, change
from service.runtime import Runtime
from service.store.parties import load_payee
from service.store.payments import find_payout
from service.stripe.objects.payout import parse_payout
from service.stripe.objects.values import our_id, text


async def payout_changed(runtime: Runtime, event: Event) -> None:
    """The payout is fetched: whether money left or came back is for Stripe's API to say."""
    tenant_id, account = event.stored.tenant_id, event.stored.account or ""
    shown_id = text(event.object, "id")
    known = await find_payout(runtime.pool, tenant_id, account, shown_id)
    payout_id, payee_id = known or (our_id(event.object, name) for name in ("payout", "payee"))
    if payout_id is None or payee_id is None:
        raise NotOurs("no payout")  # a payee's own; what it moved is booked by the sweep
    gateway = runtime.stripe[tenant_id].for_workers
    seen = parse_payout(await gateway.fetch_payout(shown_id, account))

    async def story(unit: UnitOfWork) -> None:
        # The effect that makes a payout has the payout's own id.
        found = await load_payee(
            runtime.pool, unit, payee_id, payout_id=payout_id, effect_id=payout_id
        )
        payout = (
            next((p for p in found.payouts if p.payout_id == payout_id), None) if found else None
        )
        if found is None or payout is None:
            raise Unmatched("no payout of ours")
        if account != account_of_payout(found):
            raise Contradiction(f"the payout is of account {account}")
        observe_payout(unit, found, payout, seen)

    await change(runtime, event.stored, story)


CONNECTED = {
    "payout.created": payout_changed,
    "payout.updated": payout_changed,
    "payout.paid": payout_changed,
    "payout.failed": payout_changed,
    "payout.canceled": payout_changed,
}
