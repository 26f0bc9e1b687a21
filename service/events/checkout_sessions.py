"""Events of Checkout sessions."""

from __future__ import annotations

from service.events import payments
from service.events.event import Event, NotOurs
from service.runtime import Runtime
from service.stripe.objects.checkout_session import parse_checkout_session
from service.stripe.objects.payment_intent import parse_payment_intent
from service.stripe.objects.values import our_id


async def session_changed(runtime: Runtime, event: Event) -> None:
    """Whether money came is said by the session's payment intent, once there is one."""
    if our_id(event.object, "payment") is None:
        raise NotOurs("no payment")
    seen = parse_checkout_session(event.object, event.seen_at)
    if seen.payment_intent:
        gateway = runtime.stripe[event.stored.tenant_id]
        intent = await gateway.fetch_payment_intent(seen.payment_intent)
        seen = parse_payment_intent(intent, None)
    await payments.observe(runtime, event, seen)


PLATFORM = {
    "checkout.session.completed": session_changed,
    "checkout.session.async_payment_succeeded": session_changed,
    "checkout.session.async_payment_failed": session_changed,
    "checkout.session.expired": session_changed,
}
