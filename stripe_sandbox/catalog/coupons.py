"""Coupons: /v1/coupons, a share or an amount off what is billed."""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import InvalidRequestError, parameter_invalid
from stripe_sandbox.ids import new_id
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import Json, StripeObject, private_copy

registry = Registry()


@registry.post("/v1/coupons")
def create_coupon(call: Call) -> StripeObject:
    """Either `percent_off`, or `amount_off` in a currency."""
    params = call.params
    percent, amount = _percent(params.get("percent_off")), params.amount("amount_off")
    if (percent is None) == (amount is None):
        raise InvalidRequestError("You must pass either percent_off or amount_off.")
    coupon_id = params.text("id") or new_id("coupon").removeprefix("coupon_")[:8]
    if call.find("coupon", coupon_id):
        raise InvalidRequestError("Coupon already exists.", code="resource_already_exists")
    coupon = call.add(
        {
            "id": coupon_id,
            "object": "coupon",
            "amount_off": amount,
            "created": call.now,
            "currency": params.currency() if amount else None,
            "duration": params.text("duration", "once"),
            "duration_in_months": params.integer("duration_in_months"),
            "livemode": False,
            "max_redemptions": params.integer("max_redemptions"),
            "metadata": params.merge_metadata(),
            "name": params.text("name"),
            "percent_off": percent,
            "redeem_by": params.integer("redeem_by"),
            "times_redeemed": 0,
            "valid": True,
        }
    )
    call.emit("coupon.created", coupon)
    return coupon


def _percent(sent: Json) -> float | None:
    if sent in (None, ""):
        return None
    percent = float(sent)
    if not 0 < percent <= 100:
        raise parameter_invalid("percent_off", "percent_off must be between 0 and 100.")
    return percent


@registry.get("/v1/coupons")
def list_coupons(call: Call) -> StripeObject:
    """All of them."""
    return call.page("coupon")


@registry.get("/v1/coupons/{id}")
def retrieve_coupon(call: Call) -> StripeObject:
    """One coupon."""
    return call.require("coupon", call.path["id"], "coupon")


@registry.post("/v1/coupons/{id}")
def update_coupon(call: Call) -> StripeObject:
    """Its name and metadata; what it is worth cannot change."""
    coupon = retrieve_coupon(call)
    before = private_copy(coupon)
    coupon["name"] = call.params.text("name", coupon["name"])
    coupon["metadata"] = call.params.merge_metadata(coupon["metadata"])
    if coupon != before:
        call.emit("coupon.updated", coupon, before=before)
    return coupon


@registry.delete("/v1/coupons/{id}")
def delete_coupon(call: Call) -> StripeObject:
    """It can no longer be redeemed; existing discounts stay."""
    coupon = retrieve_coupon(call)
    call.emit("coupon.deleted", coupon)
    call.remove("coupon", coupon["id"])
    return {"id": coupon["id"], "object": "coupon", "deleted": True}
