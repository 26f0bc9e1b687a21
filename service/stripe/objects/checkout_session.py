"""A Checkout session, and what it shows of a payment."""

from __future__ import annotations

from datetime import datetime

from service.domain.states.payment import PaymentState
from service.stripe.objects.payment_intent import PaymentObservation
from service.stripe.objects.values import Object, id_of, minor, our_id, text


def parse_checkout_session(session: Object, seen_at: datetime | None) -> PaymentObservation:
    """A session says how far the page is; that money came is said by its payment intent."""
    status = session.get("status")
    expired = status == "expired"
    return PaymentObservation(
        state=PaymentState.CANCELED if expired else PaymentState.REQUIRES_PAYMENT_METHOD,
        seen_at=seen_at,
        checkout_session=text(session, "id"),
        payment_intent=id_of(session, "payment_intent"),
        amount_minor=minor(session, "amount_total"),
        currency=text(session, "currency").upper(),
        customer=id_of(session, "customer"),
        effect=our_id(session, "effect"),
    )
