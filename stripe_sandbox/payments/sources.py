"""A customer's sources: /v1/customers/{id}/sources, the cards of older API versions.

Each is a payment method too, of the same id, so that a payment can be made with it.
"""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import resource_missing
from stripe_sandbox.ids import new_id
from stripe_sandbox.params import Params
from stripe_sandbox.payments import payment_methods
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

BASE = "/v1/customers/{customer}/sources"
TEXTS = (
    "address_city", "address_country", "address_line1", "address_line2", "address_state",
    "address_zip", "name",
)  # fmt: skip


def add_source(call: Call, customer: StripeObject, token: str) -> StripeObject:
    """Give a customer the card behind a token; the first one becomes the default."""
    method = payment_methods.create(
        call, Params({"type": "card", "card": {"token": token}}, "source")
    )
    call.remove("payment_method", method["id"])
    method |= {"id": new_id("card"), "customer": customer["id"]}
    call.add(method)
    shown = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    card = call.add(
        {
            "id": method["id"],
            "object": "card",
            **dict.fromkeys(TEXTS),
            "address_line1_check": None,
            "address_zip_check": None,
            "customer": customer["id"],
            "cvc_check": "pass",
            "dynamic_last4": None,
            "metadata": {},
            "regulated_status": "unregulated",
            "tokenization_method": None,
            **{name: method["card"][name] for name in shown},
        }
    )
    card["brand"] = "American Express" if card["brand"] == "amex" else card["brand"].title()
    customer["default_source"] = customer["default_source"] or card["id"]
    call.emit("customer.source.created", card)
    return card


@registry.post(BASE)
def create_source(call: Call) -> StripeObject:
    """Attach a test token such as tok_visa."""
    customer = call.require("customer", call.path["customer"], "customer")
    return add_source(call, customer, call.params.required_text("source"))


@registry.get(BASE)
def list_sources(call: Call) -> StripeObject:
    """The cards of a customer."""
    return call.page("card", lambda card: card["customer"] == call.path["customer"])


@registry.get(BASE + "/{id}")
def retrieve_source(call: Call) -> StripeObject:
    """One card of a customer."""
    card = call.find("card", call.path["id"])
    if card is None or card["customer"] != call.path["customer"]:
        raise resource_missing("source", call.path["id"])
    return card


@registry.post(BASE + "/{id}")
def update_source(call: Call) -> StripeObject:
    """Its holder's name and address, its expiry, its metadata."""
    card = retrieve_source(call)
    before = private_copy(card)
    for name in TEXTS:
        if name in call.params:
            card[name] = call.params.text(name)
    for name in ("exp_month", "exp_year"):
        card[name] = call.params.integer(name, card[name])
    card["metadata"] = call.params.merge_metadata(card["metadata"])
    if card != before:
        call.emit("customer.source.updated", card, before=before)
    return card


@registry.delete(BASE + "/{id}")
def delete_source(call: Call) -> StripeObject:
    """Detach it; another card becomes the default."""
    card = retrieve_source(call)
    call.remove("card", card["id"])
    call.remove("payment_method", card["id"])
    customer = call.require("customer", card["customer"])
    if customer["default_source"] == card["id"]:
        others = call.select("card", lambda other: other["customer"] == customer["id"])
        customer["default_source"] = others[-1]["id"] if others else None
    call.emit("customer.source.deleted", card)
    return {"id": card["id"], "object": "card", "deleted": True}
