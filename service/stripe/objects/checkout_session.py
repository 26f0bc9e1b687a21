"""A Checkout session, and what it shows of a payment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from service.domain.states.payment import PaymentState
from service.stripe.objects.payment_intent import PaymentObservation, parse_payment_intent
from service.stripe.objects.values import Object, Unreadable, id_of, minor, our_id, text


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


def parse_page(session: Object, intent: Object | None) -> PaymentObservation:
    """A session and its payment intent, both fetched just now. A bank can refuse a debit days after
    the payer left the page; a page that is complete takes no other way to pay.
    """
    page = parse_checkout_session(session, None)
    if intent is None:
        return page
    paid = parse_payment_intent(intent, None)
    if page.payment_intent != paid.payment_intent:
        raise Unreadable(
            f"{page.checkout_session} has {page.payment_intent}, not {paid.payment_intent}"
        )
    refused = paid.state is PaymentState.REQUIRES_PAYMENT_METHOD
    over = session.get("status") == "complete" and refused
    state = PaymentState.FAILED if over else paid.state
    return replace(paid, checkout_session=page.checkout_session, state=state)
