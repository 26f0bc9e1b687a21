"""Customers: /v1/customers."""

from stripe_sandbox.call import Call
from stripe_sandbox.catalog.customer_discounts import take_coupon
from stripe_sandbox.errors import resource_missing
from stripe_sandbox.ids import new_id, token
from stripe_sandbox.payments import payment_methods, sources
from stripe_sandbox.refused_values import checked_email
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

TEXTS = ("description", "name", "phone", "tax_exempt")


@registry.post("/v1/customers")
def create_customer(call: Call) -> StripeObject:
    """A customer, with a payment method attached if one is given."""
    customer: StripeObject = {
        "id": new_id("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": call.now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": token(8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    call.add(customer)
    _apply(call, customer)
    if call.params.is_set("source"):
        sources.add_source(call, customer, call.params.required_text("source"))
    if call.params.is_set("payment_method"):
        method = payment_methods.resolve(call, call.params.required_text("payment_method"))
        payment_methods.attach(call, method, customer["id"])
        _default_to_new_method(call, customer, method)
    call.emit("customer.created", customer)
    take_coupon(call, customer)
    return customer


def _default_to_new_method(call: Call, customer: StripeObject, method: StripeObject) -> None:
    """A test name such as pm_card_visa, given twice in one request, means one payment method."""
    settings = customer["invoice_settings"]
    if settings["default_payment_method"] == call.params.text("payment_method"):
        settings["default_payment_method"] = method["id"]


def _apply(call: Call, customer: StripeObject) -> None:
    customer["email"] = checked_email(call.params, "email", customer["email"])
    for name in TEXTS:
        if name in call.params:
            customer[name] = call.params.text(name)
    for name in ("address", "shipping"):
        if name in call.params:
            customer[name] = dict(call.params.hash(name)) or None
    default = call.params.hash("invoice_settings").text("default_payment_method")
    if default:
        customer["invoice_settings"]["default_payment_method"] = default
    customer["metadata"] = call.params.merge_metadata(customer["metadata"])


def require_customer(call: Call, customer_id: str) -> StripeObject:
    """A customer that can still be used."""
    customer = call.require("customer", customer_id, "customer")
    if customer.get("deleted"):
        raise resource_missing("customer", customer_id, "customer")
    return customer


@registry.get("/v1/customers")
def list_customers(call: Call) -> StripeObject:
    """Customers, by email if given."""
    email = call.params.text("email")
    return call.page(
        "customer",
        lambda customer: not customer.get("deleted") and email in (None, customer["email"]),
    )


@registry.get("/v1/customers/{id}")
def retrieve_customer(call: Call) -> StripeObject:
    """One customer; a deleted one has `deleted`."""
    return call.require("customer", call.path["id"])


@registry.post("/v1/customers/{id}")
def update_customer(call: Call) -> StripeObject:
    """Change what is given."""
    customer = require_customer(call, call.path["id"])
    before = private_copy(customer)
    _apply(call, customer)
    if customer != before:
        call.emit("customer.updated", customer, before=before)
    take_coupon(call, customer)
    return customer


@registry.delete("/v1/customers/{id}")
def delete_customer(call: Call) -> StripeObject:
    """Detach its payment methods; its id still answers, as deleted."""
    customer = require_customer(call, call.path["id"])
    call.emit("customer.deleted", customer)
    for method in call.select("payment_method", lambda pm: pm["customer"] == customer["id"]):
        call.require("payment_method", method["id"])["customer"] = None
    return call.add({"id": customer["id"], "object": "customer", "deleted": True})


@registry.get("/v1/customers/{id}/payment_methods")
def list_customer_payment_methods(call: Call) -> StripeObject:
    """The payment methods attached to a customer."""
    customer = require_customer(call, call.path["id"])
    kind = call.params.text("type")
    return call.page(
        "payment_method",
        lambda pm: pm["customer"] == customer["id"] and kind in (None, pm["type"]),
    )
