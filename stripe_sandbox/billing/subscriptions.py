"""Subscriptions: /v1/subscriptions, recurring prices that a customer pays by default method."""

from stripe_sandbox import lists
from stripe_sandbox.billing import invoices, subscription_flow
from stripe_sandbox.call import Call
from stripe_sandbox.errors import InvalidRequestError, RefusedError, parameter_invalid
from stripe_sandbox.ids import new_id
from stripe_sandbox.params import Params
from stripe_sandbox.payments.customers import require_customer
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

# All other parameters are refused: the sandbox does not implement them.
CREATION_SUPPORTS = {
    "customer", "description", "items", "metadata", "trial_end", "trial_period_days",
    "trial_settings",
}  # fmt: skip
UPDATE_SUPPORTS = {"description", "metadata", "trial_end"}


@registry.post("/v1/subscriptions")
def create_subscription(call: Call) -> StripeObject:
    """Subscribe a customer to recurring prices."""
    _refuse_others(call.params, CREATION_SUPPORTS)
    customer = require_customer(call, call.params.required_text("customer"))
    call.params.require("items")
    subscription_id = new_id("sub")
    items = [_item(call, subscription_id, item) for item in call.params.hashes("items")]
    trial_end = _trial_end(call)
    if trial_end is None and invoices.default_payment_method(call, customer) is None:
        raise InvalidRequestError(
            "This customer has no attached payment source or default payment method. Please "
            "consider adding a default payment method.",
            code="resource_missing",
        )
    subscription = _new_subscription(call, subscription_id, customer["id"], items, trial_end)
    subscription_flow.begin(call, call.add(subscription))
    return subscription


def _refuse_others(params: Params, supported: set[str]) -> None:
    for name in params:
        if name not in supported:
            raise parameter_invalid(name, f"The sandbox does not support {name}.")


def _trial_end(call: Call) -> int | None:
    if call.params.is_set("trial_end"):
        return call.params.integer("trial_end")
    days = call.params.integer("trial_period_days")
    return call.now + days * subscription_flow.DAY_S if days else None


def _item(call: Call, subscription_id: str, params: Params) -> StripeObject:
    price = call.require("price", params.required_text("price"), params.name_of("price"))
    if price["recurring"] is None:
        raise parameter_invalid(
            params.name_of("price"),
            "The price specified is set to `type=one_time` but this field only accepts prices "
            "with `type=recurring`.",
        )
    return {
        "id": new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": call.now,
        "current_period_end": call.now,
        "current_period_start": call.now,
        "discounts": [],
        "metadata": params.merge_metadata(),
        "plan": _plan(price),
        "price": private_copy(price),
        "quantity": params.integer("quantity", 1),
        "subscription": subscription_id,
        "tax_rates": [],
    }


def _plan(price: StripeObject) -> StripeObject:
    """A recurring price as the plan it used to be."""
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
        "livemode": False,
        "metadata": {},
        "nickname": price["nickname"],
        "product": price["product"],
        "usage_type": "licensed",
    }


def _new_subscription(
    call: Call,
    subscription_id: str,
    customer: str,
    items: list[StripeObject],
    trial_end: int | None,
) -> StripeObject:
    behavior = call.params.hash("trial_settings").hash("end_behavior")
    url = f"/v1/subscription_items?subscription={subscription_id}"
    return {
        "id": subscription_id,
        "object": "subscription",
        "automatic_tax": {"enabled": False, "liability": None, "disabled_reason": None},
        "billing_cycle_anchor": trial_end or call.now,
        "billing_mode": {"type": "flexible"},
        "billing_schedules": [],
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "collection_method": "charge_automatically",
        "created": call.now,
        "currency": items[0]["price"]["currency"],
        "customer": customer,
        "default_payment_method": None,
        "description": call.params.text("description"),
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": lists.envelope(url, items),
        "latest_invoice": None,
        "livemode": False,
        "metadata": call.params.merge_metadata(),
        "start_date": call.now,
        "status": "incomplete",
        "trial_end": trial_end,
        "trial_settings": {
            "end_behavior": {
                "missing_payment_method": behavior.text("missing_payment_method", "create_invoice")
            }
        },
        "trial_start": call.now if trial_end else None,
    }


@registry.get("/v1/subscriptions")
def list_subscriptions(call: Call) -> StripeObject:
    """By customer and status; canceled ones only when asked for."""
    customer, status = call.params.text("customer"), call.params.text("status")
    hidden = () if status in ("all", "canceled") else ("canceled",)
    return call.page(
        "subscription",
        lambda found: (
            customer in (None, found["customer"])
            and status in (None, "all", found["status"])
            and found["status"] not in hidden
        ),
    )


@registry.get("/v1/subscriptions/{id}")
def retrieve_subscription(call: Call) -> StripeObject:
    """One subscription."""
    return call.require("subscription", call.path["id"])


@registry.post("/v1/subscriptions/{id}")
def update_subscription(call: Call) -> StripeObject:
    """Change its description or metadata, or end its trial with `trial_end=now`."""
    _refuse_others(call.params, UPDATE_SUPPORTS)
    subscription = retrieve_subscription(call)
    before = private_copy(subscription)
    subscription["description"] = call.params.text("description", subscription["description"])
    subscription["metadata"] = call.params.merge_metadata(subscription["metadata"])
    if subscription != before:
        call.emit("customer.subscription.updated", subscription, before=before)
    if call.params.is_set("trial_end"):
        if call.params.text("trial_end") != "now" or subscription["status"] != "trialing":
            raise parameter_invalid("trial_end", "The sandbox only ends trials, with `now`.")
        subscription_flow.end_trial(call, subscription)
    return subscription


@registry.delete("/v1/subscriptions/{id}")
def cancel_subscription(call: Call) -> StripeObject:
    """End it at once."""
    subscription = retrieve_subscription(call)
    if subscription["status"] == "canceled":
        raise RefusedError(f"No such subscription: {subscription['id']}", code="resource_missing")
    subscription_flow.cancel(call, subscription)
    return subscription
