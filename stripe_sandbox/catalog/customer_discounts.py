"""The discount of a customer, which older API versions give with a `coupon` on the customer."""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.ids import new_id
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()


def take_coupon(call: Call, customer: StripeObject) -> None:
    """Give the customer the discount of the parameter `coupon`; an empty one takes it away."""
    if "coupon" not in call.params:
        return
    if not call.params.is_set("coupon"):
        _end(call, customer)
        return
    coupon = call.require("coupon", call.params.required_text("coupon"), "coupon")
    coupon["times_redeemed"] += 1
    previous = customer.get("discount")
    customer["discount"] = {
        "id": previous["id"] if previous else new_id("di"),
        "object": "discount",
        "checkout_session": None,
        "customer": customer["id"],
        "end": None,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "source": {"coupon": coupon["id"], "type": "coupon"},
        "start": call.now,
        "subscription": None,
        "subscription_item": None,
    }
    happened = "updated" if previous else "created"
    call.emit(f"customer.discount.{happened}", customer["discount"], before=previous)


def _end(call: Call, customer: StripeObject) -> StripeObject | None:
    ended: StripeObject | None = customer.get("discount")
    if ended is not None:
        customer["discount"] = None
        ended["end"] = call.now
        call.emit("customer.discount.deleted", ended)
    return ended


@registry.delete("/v1/customers/{id}/discount")
def delete_customer_discount(call: Call) -> StripeObject:
    """Take the discount away."""
    ended = _end(call, call.require("customer", call.path["id"], "customer"))
    if ended is None:
        raise InvalidRequestError(
            f"No active discount for customer: {call.path['id']}", code="resource_missing"
        )
    return {"id": ended["id"], "object": "discount", "deleted": True}
