"""Prices: /v1/prices, fixed amounts for a unit, once or every so often."""

from stripe_sandbox.call import Call
from stripe_sandbox.catalog.products import new_product
from stripe_sandbox.errors import parameter_invalid, parameter_missing
from stripe_sandbox.ids import new_id
from stripe_sandbox.params import Params
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

# Refused: no test or recipe needs amounts chosen by customers or by quantity.
UNSUPPORTED = ("currency_options", "custom_unit_amount", "tiers", "transform_quantity")


@registry.post("/v1/prices")
def create_price(call: Call) -> StripeObject:
    """A price of a product that exists, or of one made for it."""
    params = call.params
    for name in UNSUPPORTED:
        if params.is_set(name):
            raise parameter_invalid(name, f"The sandbox does not support {name}.")
    unit_amount = params.integer("unit_amount")
    if unit_amount is None:
        raise parameter_missing("unit_amount")
    price = new_price(
        call,
        currency=params.currency(),
        unit_amount=unit_amount,
        product=_product(call, params)["id"],
        recurring=_recurring(params.hash("recurring")) if params.is_set("recurring") else None,
    )
    price["active"] = params.boolean("active", default=True)
    _apply(params, price)
    call.emit("price.created", price)
    return price


def new_price(
    call: Call, *, currency: str, unit_amount: int, product: str, recurring: StripeObject | None
) -> StripeObject:
    """A price, stored but without an event yet; `unit_amount` in minor units."""
    return call.add(
        {
            "id": new_id("price"),
            "object": "price",
            "active": True,
            "billing_scheme": "per_unit",
            "created": call.now,
            "currency": currency,
            "custom_unit_amount": None,
            "livemode": False,
            "lookup_key": None,
            "metadata": {},
            "nickname": None,
            "product": product,
            "recurring": recurring,
            "tax_behavior": "unspecified",
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "recurring" if recurring else "one_time",
            "unit_amount": unit_amount,
            "unit_amount_decimal": str(unit_amount),
        }
    )


def _product(call: Call, params: Params) -> StripeObject:
    if params.is_set("product"):
        return call.require("product", params.required_text("product"), "product")
    if not params.is_set("product_data"):
        raise parameter_missing("product")
    data = params.hash("product_data")
    product = new_product(call, data.required_text("name"), data.merge_metadata())
    call.emit("product.created", product)
    return product


def _recurring(params: Params) -> StripeObject:
    return {
        "interval": params.required_text("interval"),
        "interval_count": params.integer("interval_count", 1),
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def _apply(params: Params, price: StripeObject) -> None:
    for name in ("lookup_key", "nickname"):
        if name in params:
            price[name] = params.text(name)
    price["tax_behavior"] = params.text("tax_behavior", price["tax_behavior"])
    price["metadata"] = params.merge_metadata(price["metadata"])


@registry.get("/v1/prices")
def list_prices(call: Call) -> StripeObject:
    """By product, currency or type; those that are active or not."""
    wanted: dict[str, str | bool | None] = {
        name: call.params.text(name)
        for name in ("product", "currency", "type")
        if call.params.is_set(name)
    }
    if call.params.is_set("active"):
        wanted["active"] = call.params.boolean("active")
    return call.page(
        "price", lambda price: all(price[name] == value for name, value in wanted.items())
    )


@registry.get("/v1/prices/{id}")
def retrieve_price(call: Call) -> StripeObject:
    """One price."""
    return call.require("price", call.path["id"], "price")


@registry.post("/v1/prices/{id}")
def update_price(call: Call) -> StripeObject:
    """Change the given parameters; the amount cannot change."""
    price = retrieve_price(call)
    before = private_copy(price)
    price["active"] = call.params.boolean("active", default=price["active"])
    _apply(call.params, price)
    if price != before:
        call.emit("price.updated", price, before=before)
    return price
