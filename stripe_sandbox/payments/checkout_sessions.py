"""Checkout Sessions: /v1/checkout/sessions, in payment mode with a hosted page."""

from stripe_sandbox import lists
from stripe_sandbox.amount_limits import require_chargeable
from stripe_sandbox.call import Call
from stripe_sandbox.errors import (
    parameter_invalid,
    parameter_missing,
)
from stripe_sandbox.html import is_web_address
from stripe_sandbox.ids import new_id
from stripe_sandbox.params import Params
from stripe_sandbox.payments.checkout_flow import require_session
from stripe_sandbox.payments.checkout_line_items import read_line_items
from stripe_sandbox.payments.customers import require_customer
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()

SHORTEST_S = 30 * 60
LONGEST_S = 24 * 3600


@registry.post("/v1/checkout/sessions")
def create_checkout_session(call: Call) -> StripeObject:
    """A page where a customer pays for line items."""
    params = call.params
    if params.text("mode", "payment") != "payment":
        raise parameter_invalid("mode", "The sandbox supports mode=payment only.")
    if params.text("ui_mode", "hosted_page") != "hosted_page":
        raise parameter_invalid("ui_mode", "The sandbox supports ui_mode=hosted_page only.")
    items = read_line_items(call)
    total = sum(item["amount_total"] for item in items)
    require_chargeable(call, total, items[0]["currency"])
    customer = params.text("customer")
    if customer:
        require_customer(call, customer)
    session_id = new_id("cs")
    types = params.array("allowed_payment_method_types")
    expires_at = _expires_at(call)
    session = call.add(
        {
            "id": session_id,
            "object": "checkout.session",
            "adaptive_pricing": {"enabled": False},
            "after_expiration": None,
            "allow_promotion_codes": None,
            "allowed_payment_method_types": types or None,
            "amount_subtotal": total,
            "amount_total": total,
            "automatic_tax": {
                "enabled": False,
                "liability": None,
                "provider": None,
                "status": None,
            },
            "billing_address_collection": None,
            "cancel_url": _url(params, "cancel_url"),
            "client_reference_id": params.text("client_reference_id"),
            "client_secret": None,
            "collected_information": None,
            "consent": None,
            "consent_collection": None,
            "created": call.now,
            "currency": items[0]["currency"],
            "currency_conversion": None,
            "custom_fields": [],
            "custom_text": {
                "after_submit": None,
                "shipping_address": None,
                "submit": None,
                "terms_of_service_acceptance": None,
            },
            "customer": customer,
            "customer_creation": params.text(
                "customer_creation", None if customer else "if_required"
            ),
            "customer_details": None,
            "customer_email": params.text("customer_email"),
            "discounts": [],
            "expires_at": expires_at,
            "invoice": None,
            "invoice_creation": None,
            "livemode": False,
            "locale": params.text("locale"),
            "metadata": params.merge_metadata(),
            "mode": "payment",
            "payment_intent": None,
            "payment_link": None,
            "payment_method_collection": "if_required",
            "payment_method_configuration_details": None,
            "payment_method_options": {},
            "payment_method_types": types or ["card"],
            "payment_status": "unpaid",
            "permissions": None,
            "phone_number_collection": {"enabled": False},
            "recovered_from": None,
            "saved_payment_method_options": None,
            "setup_intent": None,
            "shipping_address_collection": None,
            "shipping_cost": None,
            "shipping_options": [],
            "status": "open",
            "submit_type": params.text("submit_type"),
            "subscription": None,
            "success_url": _success_url(params),
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
            "url": f"{call.state.public_url}/checkout/{session_id}",
            "wallet_options": None,
            "_line_items": items,
            "_payment_intent_data": dict(params.hash("payment_intent_data")),
        }
    )
    call.schedule(expires_at - call.state.clock.now(), "session_expires", session=session_id)
    return session


def _success_url(params: Params) -> str:
    url = _url(params, "success_url")
    if url is None:
        raise parameter_missing("success_url")
    return url


def _url(params: Params, name: str) -> str | None:
    url = params.text(name)
    if url is not None and not is_web_address(url):
        raise parameter_invalid(
            name, "Not a valid URL, URLs must start with http:// or https://.", "url_invalid"
        )
    return url


def _expires_at(call: Call) -> int:
    expires_at = call.params.integer("expires_at")
    if expires_at is None:
        return call.now + LONGEST_S
    if not call.now + SHORTEST_S <= expires_at <= call.now + LONGEST_S:
        raise parameter_invalid(
            "expires_at",
            "The `expires_at` timestamp must be at least 30 minutes and less than 24 hours from "
            "Checkout Session creation.",
        )
    return expires_at


@registry.get("/v1/checkout/sessions")
def list_checkout_sessions(call: Call) -> StripeObject:
    """By customer, payment intent, status or time."""
    wanted = {
        name: call.params.text(name)
        for name in ("customer", "payment_intent", "status")
        if call.params.is_set(name)
    }
    return call.page(
        "checkout.session",
        lambda session: all(session[name] == value for name, value in wanted.items()),
    )


@registry.get("/v1/checkout/sessions/{id}")
def retrieve_checkout_session(call: Call) -> StripeObject:
    """One session."""
    return require_session(call)


@registry.get("/v1/checkout/sessions/{id}/line_items")
def list_checkout_line_items(call: Call) -> StripeObject:
    """What the session is for."""
    session = require_session(call)
    return lists.page(call.params, call.request_path, session["_line_items"])


@registry.expansion("checkout.session", "line_items")
def expanded_line_items(_call: Call, session: StripeObject) -> StripeObject:
    """A session's `line_items`, which exists only when expanded."""
    url = f"/v1/checkout/sessions/{session['id']}/line_items"
    return lists.envelope(url, session["_line_items"])


@registry.post("/v1/checkout/sessions/{id}")
def update_checkout_session(call: Call) -> StripeObject:
    """Only the metadata of a session can change."""
    session = require_session(call)
    session["metadata"] = call.params.merge_metadata(session["metadata"])
    return session
