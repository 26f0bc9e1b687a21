"""Early fraud warnings: /v1/radar/early_fraud_warnings, a bank's warning before any dispute."""

from stripe_sandbox.call import Call
from stripe_sandbox.ids import new_id
from stripe_sandbox.payments.payment_methods import card_of
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

KIND = "radar.early_fraud_warning"


@registry.reaction("charge.succeeded")
def warn(call: Call, charge: StripeObject) -> None:
    """Warn about a payment by a card that its bank believes stolen."""
    if not card_of(charge).fraud_warning:
        return
    warning = call.add(
        {
            "id": new_id("issfr"),
            "object": KIND,
            "actionable": True,
            "charge": charge["id"],
            "created": call.now,
            "fraud_type": "unauthorized_use_of_card",
            "livemode": False,
            "payment_intent": charge["payment_intent"],
        }
    )
    call.emit(f"{KIND}.created", warning)


@registry.reaction("charge.refunded", "charge.dispute.created")
def settle_warnings(call: Call, obj: StripeObject) -> None:
    """Warnings about a refunded or disputed payment are no longer actionable."""
    charge = obj["charge"] if obj["object"] == "dispute" else obj["id"]
    for found in call.select(KIND, lambda warning: warning["charge"] == charge):
        warning = call.require(KIND, found["id"])
        if warning["actionable"]:
            before = private_copy(warning)
            warning["actionable"] = False
            call.emit(f"{KIND}.updated", warning, before=before)


@registry.get("/v1/radar/early_fraud_warnings")
def list_early_fraud_warnings(call: Call) -> StripeObject:
    """By charge, payment intent or time."""
    wanted = {
        name: call.params.text(name)
        for name in ("charge", "payment_intent")
        if call.params.is_set(name)
    }
    return call.page(KIND, lambda warning: all(warning[n] == value for n, value in wanted.items()))


@registry.get("/v1/radar/early_fraud_warnings/{id}")
def retrieve_early_fraud_warning(call: Call) -> StripeObject:
    """One warning."""
    return call.require(KIND, call.path["id"])
