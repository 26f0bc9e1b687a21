"""Events of charges."""

from __future__ import annotations

from service.events import payments
from service.events.event import Event, NotOurs
from service.runtime import Runtime
from service.store.escrows import is_intent_of_ours
from service.stripe.objects.payment_intent import parse_payment_intent
from service.stripe.objects.values import id_of, our_id


async def charge_changed(runtime: Runtime, event: Event) -> None:
    """A charge does not carry its fee: the whole payment is fetched."""
    intent_id = id_of(event.object, "payment_intent")
    if intent_id is None:
        raise NotOurs("a charge without a payment intent")
    if our_id(event.object, "payment") is None and not await is_intent_of_ours(
        runtime.pool, event.stored.tenant_id, intent_id
    ):
        raise NotOurs("no payment")
    intent = await runtime.stripe[event.stored.tenant_id].fetch_payment_intent(intent_id)
    await payments.observe(runtime, event, parse_payment_intent(intent, None))


PLATFORM = {
    # a capture by hand is settled at once: no charge.updated follows
    "charge.captured": charge_changed,
    "charge.updated": charge_changed,
}
