"""Events of Checkout sessions."""

from __future__ import annotations

from dataclasses import replace

from service.aggregates.contradiction import NotOurs
from service.events import payments
from service.events.event import Event, Unmatched
from service.runtime import Runtime
from service.store.payments import find_payment
from service.stripe.objects.checkout_session import parse_page
from service.stripe.objects.values import id_of, our_id, text


async def session_changed(runtime: Runtime, event: Event) -> None:
    """The session is fetched, for it may end the payment. Whether money came is said by its
    payment intent, once there is one.
    """
    payment_id, tenant_id = our_id(event.object, "payment"), event.stored.tenant_id
    if payment_id is None:
        raise NotOurs("no payment")
    if not await find_payment(runtime.pool, tenant_id, payment_id=payment_id):
        raise Unmatched("no payment of ours")
    gateway = runtime.stripe[tenant_id].for_workers
    session = await gateway.fetch_checkout_session(text(event.object, "id"))
    intent_id = id_of(session, "payment_intent")
    intent = await gateway.fetch_payment_intent(intent_id) if intent_id else None
    page = parse_page(session, intent)
    if event.object.get("payment_status") == "paid":
        page = replace(page, paid_at=event.seen_at)
    await payments.observe(runtime, event, page, proven=True)


PLATFORM = {
    "checkout.session.completed": session_changed,
    "checkout.session.async_payment_succeeded": session_changed,
    "checkout.session.async_payment_failed": session_changed,
    "checkout.session.expired": session_changed,
}
