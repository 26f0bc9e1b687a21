"""/v1/payment_pages: how Stripe's own tools fill in a Checkout page.

These operations are Stripe's private ones, which no SDK has; this is what the recipes of Stripe's
CLI use of them. The page itself, for people, is in `checkout_page.py`.
"""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import RefusedError
from stripe_sandbox.payments import checkout_flow, payment_methods
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()


@registry.get("/v1/payment_pages/{id}")
def retrieve_payment_page(call: Call) -> StripeObject:
    """What the page of a session shows."""
    return _page(checkout_flow.require_session(call))


@registry.post("/v1/payment_pages/{id}/confirm")
def confirm_payment_page(call: Call) -> StripeObject:
    """The customer presses "Pay".

    Raises:
        RefusedError: 400, the page showed another amount than `expected_amount`.
        CardError: 402, the payment was declined; the session stays open.
    """
    session = checkout_flow.require_session(call)
    expected = call.params.integer("expected_amount", session["amount_total"])
    if expected != session["amount_total"]:
        raise RefusedError(
            f"The amount of this Checkout Session is {session['amount_total']}, not {expected}.",
            code="checkout_amount_mismatch",
            param="expected_amount",
        )
    method = payment_methods.resolve(call, call.params.required_text("payment_method"))
    _, decline = checkout_flow.pay(call, session, method)
    if decline is not None:
        raise decline
    return _page(session)


def _page(session: StripeObject) -> StripeObject:
    return {
        "id": session["id"],
        "object": "payment_page",
        "currency": session["currency"],
        "customer_email": session["customer_email"],
        "line_items": session["_line_items"],
        "livemode": False,
        "mode": session["mode"],
        "payment_intent": session["payment_intent"],
        "payment_method_types": session["payment_method_types"],
        "payment_status": session["payment_status"],
        "session_id": session["id"],
        "status": session["status"],
        "success_url": session["success_url"],
        "total_summary": {
            "due": session["amount_total"],
            "subtotal": session["amount_subtotal"],
            "total": session["amount_total"],
        },
    }
