"""Whose a payment intent is, on the word of Stripe's API."""

from __future__ import annotations

from service.aggregates.contradiction import Contradiction
from service.domain.records.payment import Payment, PaymentMethod
from service.runtime import Runtime
from service.stripe.objects.checkout_session import parse_checkout_session
from service.stripe.objects.payment_intent import PaymentObservation, parse_payment_intent


class NotProven(Exception):
    """The payment's page does not name an intent yet; a moment may heal it."""


def binds(payment: Payment, intent_id: str | None) -> bool:
    """Whether it would make an intent the payment's own."""
    return payment.stripe_payment_intent is None and intent_id is not None


async def fetch_proven(runtime: Runtime, payment: Payment, intent_id: str) -> PaymentObservation:
    """The intent as Stripe's API shows it; of a payment by Checkout it has to be its page's.

    Raises:
        Contradiction: the page has another one. NotProven.
        StripeRefused, StripeUnavailable, Unreadable.
    """
    gateway = runtime.stripe[payment.tenant_id].for_workers
    if payment.method is PaymentMethod.CHECKOUT and payment.stripe_payment_intent is None:
        if payment.stripe_checkout_session is None:
            raise NotProven("the payment's page is not known yet")
        page = await gateway.fetch_checkout_session(payment.stripe_checkout_session)
        ours = parse_checkout_session(page, None).payment_intent
        if ours is None:
            raise NotProven("the payment's page has no payment intent yet")
        if ours != intent_id:
            raise Contradiction(f"the payment's page has {ours}, not {intent_id}")
    return parse_payment_intent(await gateway.fetch_payment_intent(intent_id), None)
