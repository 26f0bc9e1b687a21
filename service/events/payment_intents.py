"""Events of payment intents. They carry all but the fee."""

from __future__ import annotations

from service.events import payments
from service.events.event import Event
from service.runtime import Runtime
from service.stripe.objects.payment_intent import parse_payment_intent


async def intent_changed(runtime: Runtime, event: Event) -> None:
    await payments.observe(runtime, event, parse_payment_intent(event.object, event.seen_at))


PLATFORM = {
    "payment_intent.created": intent_changed,
    "payment_intent.requires_action": intent_changed,
    "payment_intent.processing": intent_changed,
    "payment_intent.amount_capturable_updated": intent_changed,
    "payment_intent.payment_failed": intent_changed,
    "payment_intent.succeeded": intent_changed,
    "payment_intent.canceled": intent_changed,
}
