"""Events of charges. They do not carry the fee."""

from __future__ import annotations

from service.aggregates.contradiction import NotOurs
from service.events import payments
from service.events.event import Event, Unmatched
from service.runtime import Runtime
from service.store.payments import find_payment
from service.stripe.objects.payment_intent import parse_payment_intent
from service.stripe.objects.values import id_of, our_id


async def charge_changed(runtime: Runtime, event: Event) -> None:
    """The charge was settled: what it shows of the payment is fetched like every end of one."""
    tenant_id = event.stored.tenant_id
    intent_id = id_of(event.object, "payment_intent")
    if intent_id is None:
        raise NotOurs("a charge without a payment intent")
    payment_id = our_id(event.object, "payment")
    found = await find_payment(
        runtime.pool, tenant_id, payment_id=payment_id, payment_intent=intent_id
    )
    if found is None:
        raise Unmatched("no payment of ours") if payment_id else NotOurs("no payment")
    intent = await runtime.stripe[tenant_id].for_workers.fetch_payment_intent(intent_id)
    await payments.observe(runtime, event, parse_payment_intent(intent, None))


PLATFORM = {
    # a capture by hand is settled at once: no charge.updated follows
    "charge.captured": charge_changed,
    "charge.updated": charge_changed,
}
