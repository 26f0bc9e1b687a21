"""Early fraud warnings: /v1/radar/early_fraud_warnings, a bank's warning before any dispute."""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import RefusedError
from stripe_sandbox.ids import new_id
from stripe_sandbox.payments.payment_methods import card_of
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

KIND = "radar.early_fraud_warning"


FRAUD_TYPES = (
    "card_never_received", "fraudulent_card_application", "made_with_counterfeit_card",
    "made_with_lost_card", "made_with_stolen_card", "misc", "unauthorized_use_of_card",
)  # fmt: skip
USUAL_TYPE = FRAUD_TYPES[-1]


@registry.reaction("charge.succeeded")
def warn_of_card(call: Call, charge: StripeObject) -> None:
    """Warn about a payment by a card that its bank believes stolen."""
    if card_of(charge).fraud_warning:
        _warn(call, charge, USUAL_TYPE)


@registry.control("POST", "/_sandbox/charges/{id}/warn")
def warn_of_charge(call: Call) -> StripeObject:
    """The bank warns of fraud, also after a dispute: {"fraud_type": "made_with_stolen_card"}."""
    charge = call.require("charge", call.path["id"], "charge")
    if charge["status"] != "succeeded" or charge["payment_method_details"]["type"] != "card":
        raise RefusedError("Banks warn of payments by card that have succeeded.")
    return _warn(call, charge, call.params.choice("fraud_type", FRAUD_TYPES, USUAL_TYPE))


def _warn(call: Call, charge: StripeObject, fraud_type: str | None) -> StripeObject:
    warning = call.add(
        {
            "id": new_id("issfr"),
            "object": KIND,
            "actionable": not (charge["disputed"] or charge["refunded"]),
            "charge": charge["id"],
            "created": call.now,
            "fraud_type": fraud_type,
            "livemode": False,
            "payment_intent": charge["payment_intent"],
        }
    )
    call.emit(f"{KIND}.created", warning)
    return warning


@registry.reaction("charge.refunded")
def settle_refunded(call: Call, charge: StripeObject) -> None:
    """Warnings about a fully refunded payment are no longer actionable."""
    if charge["refunded"]:
        _settle(call, charge["id"])


@registry.reaction("charge.dispute.created")
def settle_disputed(call: Call, dispute: StripeObject) -> None:
    """Nor are those about a disputed one."""
    _settle(call, dispute["charge"])


def _settle(call: Call, charge_id: str) -> None:
    for found in call.select(KIND, lambda warning: warning["charge"] == charge_id):
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
