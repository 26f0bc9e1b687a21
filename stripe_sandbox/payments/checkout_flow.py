"""What happens to a Checkout Session: paid, completed, expired.

The session makes its PaymentIntent when the customer first tries to pay, keeps it after
declines and completes when the intent succeeds.
"""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import CardError, RefusedError
from stripe_sandbox.params import Params
from stripe_sandbox.payments import attempts, payment_flow, payment_intents, payment_methods
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()


def require_session(call: Call) -> StripeObject:
    """The session that the path names."""
    return call.require("checkout.session", call.path["id"], "session")


@registry.post("/v1/checkout/sessions/{id}/expire")
def expire_checkout_session(call: Call) -> StripeObject:
    """Close an open session."""
    session = require_session(call)
    if session["status"] != "open":
        raise RefusedError(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of {session['status']}.",
        )
    _expire(call, session)
    return session


@registry.task("session_expires")
def session_expires(call: Call, session: str) -> None:
    """Expire the session, unless it was used."""
    expiring = call.require("checkout.session", session)
    if expiring["status"] == "open":
        _expire(call, expiring)


def _expire(call: Call, session: StripeObject) -> None:
    session["status"] = "expired"
    session["url"] = None
    if session["payment_intent"]:
        intent = call.require("payment_intent", session["payment_intent"])
        payment_flow.cancel(call, intent, "expired")
    call.emit("checkout.session.expired", session)


def pay(
    call: Call, session: StripeObject, method: StripeObject, email: str | None = None
) -> tuple[StripeObject, CardError | None]:
    """A customer tries to pay an open session; the intent, and the decline if there was one."""
    if session["status"] != "open":
        raise RefusedError(f"This Checkout Session is {session['status']}.")
    details = method["billing_details"]
    session["customer_details"] = {
        "address": details["address"],
        "business_name": None,
        "email": email or session["customer_email"] or details["email"],
        "individual_name": None,
        "name": details["name"],
        "phone": details["phone"],
        "tax_exempt": "none",
        "tax_ids": [],
    }
    intent = _intent_of(call, session)
    page = f"{call.state.public_url}/checkout/{session['id']}"
    return intent, attempts.pay_as_customer(call, intent, method, page)


def _intent_of(call: Call, session: StripeObject) -> StripeObject:
    if session["payment_intent"]:
        return call.require("payment_intent", session["payment_intent"])
    chosen: StripeObject = {
        **session["_payment_intent_data"],
        "amount": session["amount_total"],
        "currency": session["currency"],
        "allowed_payment_method_types": session["payment_method_types"],
    }
    if session["customer"]:
        chosen["customer"] = session["customer"]
    intent = payment_intents.create(call, Params(chosen))
    intent["_checkout_session"] = session["id"]
    session["payment_intent"] = intent["id"]
    call.emit("payment_intent.created", intent)
    return intent


@registry.reaction(
    "payment_intent.succeeded",
    "payment_intent.amount_capturable_updated",
    "payment_intent.processing",
)
def complete(call: Call, intent: StripeObject) -> None:
    """Complete a session whose intent is paid or processing."""
    session = _session_of(call, intent)
    if session is None:
        return
    if session["status"] == "open":
        session["status"] = "complete"
        session["url"] = None
        # An authorization that is still to be captured is not paid, nor is a debit in progress.
        session["payment_status"] = "paid" if intent["status"] == "succeeded" else "unpaid"
        session["_awaits_bank"] = intent["status"] == "processing"
        call.emit("checkout.session.completed", session)
    elif intent["status"] == "succeeded":
        session["payment_status"] = "paid"
        if session.pop("_awaits_bank", False):
            call.emit("checkout.session.async_payment_succeeded", session)


@registry.reaction("payment_intent.payment_failed")
def fail(call: Call, intent: StripeObject) -> None:
    """Record that the bank refused the payment of a complete session."""
    session = _session_of(call, intent)
    if session is not None and session.pop("_awaits_bank", False):
        call.emit("checkout.session.async_payment_failed", session)


def _session_of(call: Call, intent: StripeObject) -> StripeObject | None:
    session_id = intent.get("_checkout_session")
    return call.require("checkout.session", session_id) if session_id else None


@registry.control("POST", "/_sandbox/checkout/sessions/{id}/pay")
def pay_checkout_session(call: Call) -> StripeObject:
    """A customer pays on the hosted page: {"payment_method": "pm_card_visa", "email": "..."}.

    Answers the session; its payment intent has the result of the attempt.
    """
    session = require_session(call)
    method = payment_methods.resolve(call, call.params.text("payment_method") or "pm_card_visa")
    pay(call, session, method, call.params.text("email"))
    return session
