"""A customer's bank transfer arrives: test_helpers/customers/{id}/fund_cash_balance."""

from stripe_sandbox.call import Call
from stripe_sandbox.ids import token
from stripe_sandbox.payments import cash_balances, payment_flow
from stripe_sandbox.payments.customers import require_customer
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()


@registry.post("/v1/test_helpers/customers/{id}/fund_cash_balance")
def fund_cash_balance(call: Call) -> StripeObject:
    """Fund the oldest waiting payments first; the rest stays in the cash balance."""
    customer = require_customer(call, call.path["id"])["id"]
    amount, currency = call.params.required_amount(), call.params.currency()
    transfer_type = cash_balances.TRANSFER_TYPES.get(currency, "eu_bank_transfer")
    details = {
        "bank_transfer": {
            "reference": call.params.text("reference") or token(12).upper(),
            "type": transfer_type,
            transfer_type: {"sender_name": "Jenny Rosen"},
        }
    }
    funded = cash_balances.move(call, customer, currency, amount, "funded", details)
    for waiting in reversed(_waiting_for_transfers(call, customer, currency)):
        payment_flow.collect_cash(call, call.require("payment_intent", waiting["id"]))
    if cash_balances.held(call, customer, currency):
        call.emit("cash_balance.funds_available", cash_balances.shown(call, customer))
    return funded


@registry.reaction("payment_intent.canceled")
def give_back_cash(call: Call, intent: StripeObject) -> None:
    """Return the unused part of a payment to the customer's cash balance."""
    applied = intent.pop("_cash_applied", 0)
    if applied:
        details = {"payment_intent": intent["id"]}
        customer, currency = intent["customer"], intent["currency"]
        cash_balances.move(call, customer, currency, applied, "unapplied_from_payment", details)


def _waiting_for_transfers(call: Call, customer: str, currency: str) -> list[StripeObject]:
    """Payments that still need money from a transfer, newest first."""
    return call.select(
        "payment_intent",
        lambda intent: (
            (intent["customer"], intent["currency"]) == (customer, currency)
            and intent["status"] == "requires_action"
            and intent["next_action"]["type"] == "display_bank_transfer_instructions"
        ),
    )
