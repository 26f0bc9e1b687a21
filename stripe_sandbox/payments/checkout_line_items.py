"""What a Checkout Session is for: prices that exist, or amounts given on the spot."""

from stripe_sandbox.call import Call
from stripe_sandbox.catalog import prices, products
from stripe_sandbox.errors import InvalidRequestError, parameter_invalid
from stripe_sandbox.ids import new_id
from stripe_sandbox.params import Params
from stripe_sandbox.store import StripeObject, private_copy


def read_line_items(call: Call) -> list[StripeObject]:
    """The line items that the call's parameters describe, all in one currency."""
    call.params.require("line_items")
    items = [_line_item(call, item) for item in call.params.hashes("line_items")]
    if len({item["currency"] for item in items}) > 1:
        raise InvalidRequestError("All line items must have the same currency.")
    return items


def _line_item(call: Call, item: Params) -> StripeObject:
    price = _price(call, item)
    quantity = item.integer("quantity", 1) or 1
    total = price["unit_amount"] * quantity
    return {
        "id": new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price["currency"],
        "description": call.require("product", price["product"])["name"],
        "metadata": item.merge_metadata(),
        "price": private_copy(price),
        "quantity": quantity,
    }


def _price(call: Call, item: Params) -> StripeObject:
    """The price a line item names, or one that is made for it and cannot be used again."""
    if item.is_set("price"):
        return _sellable(call, item)
    item.require("price_data")
    data = item.hash("price_data")
    unit_amount = data.required_amount("unit_amount")
    if data.is_set("product"):
        product = call.require("product", data.required_text("product"), data.name_of("product"))
    else:
        data.require("product_data")
        product = products.new_product(call, data.hash("product_data").required_text("name"))
    price = prices.new_price(
        call,
        currency=data.currency(),
        unit_amount=unit_amount,
        product=product["id"],
        recurring=None,
    )
    price["active"] = False
    return price


def _sellable(call: Call, item: Params) -> StripeObject:
    price = call.require("price", item.required_text("price"), item.name_of("price"))
    if not price["active"]:
        raise parameter_invalid(
            item.name_of("price"), f"The price specified is inactive: {price['id']}."
        )
    if price["type"] != "one_time":
        raise parameter_invalid(
            item.name_of("price"),
            "You specified `payment` mode but passed a recurring price. Either switch to "
            "`subscription` mode or use only one-time prices.",
        )
    return price
