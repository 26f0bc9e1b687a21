"""Events of charges."""

from __future__ import annotations

from service.events import payments
from service.events.event import Event, Unmatched
from service.runtime import Runtime
from service.stripe.objects.payment_intent import parse_payment_intent


async def charge_changed(runtime: Runtime, event: Event) -> None:
    """A charge does not carry its fee: the whole payment is fetched."""
    intent_id = event.object.get("payment_intent")
    if not isinstance(intent_id, str):
        raise Unmatched("the charge belongs to no payment intent")
    intent = await runtime.stripe[event.stored.tenant_id].fetch_payment_intent(intent_id)
    await payments.observe(runtime, event, parse_payment_intent(intent, None))


PLATFORM = {
    # a capture by hand is settled at once: no charge.updated follows
    "charge.captured": charge_changed,
    "charge.updated": charge_changed,
}
