"""Cash balances: money that customers have transferred and that no payment has used yet.

It belongs to the customer until a payment uses it, so it is not in the books: a balance
transaction is posted when a payment is complete. Every change is stored as a
customer_cash_balance_transaction.
"""

from stripe_sandbox.call import Call
from stripe_sandbox.errors import parameter_missing
from stripe_sandbox.ids import new_id, token
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()

KIND = "customer_cash_balance_transaction"
# The kind of bank account customers transfer to, by currency.
TRANSFER_TYPES = {
    "eur": "eu_bank_transfer",
    "gbp": "gb_bank_transfer",
    "jpy": "jp_bank_transfer",
    "mxn": "mx_bank_transfer",
    "usd": "us_bank_transfer",
}


def held(call: Call, customer: str, currency: str) -> int:
    """What a customer has transferred and not spent, in minor units."""
    latest = call.select(KIND, lambda t: (t["customer"], t["currency"]) == (customer, currency))
    return int(latest[0]["ending_balance"]) if latest else 0


def move(
    call: Call, customer: str, currency: str, net_amount: int, kind: str, details: StripeObject
) -> StripeObject:
    """Change a cash balance by `net_amount` minor units and record why (`kind`)."""
    moved = call.add(
        {
            "id": new_id("ccsbtxn"),
            "object": KIND,
            "created": call.now,
            "currency": currency,
            "customer": customer,
            "ending_balance": held(call, customer, currency) + net_amount,
            "livemode": False,
            "net_amount": net_amount,
            "type": kind,
            kind: details,
        }
    )
    call.emit(f"{KIND}.created", moved)
    return moved


def apply_to_payment(call: Call, intent: StripeObject) -> int:
    """Use the customer's cash balance for an intent; returns the amount used.

    Raises:
        InvalidRequestError: the intent has no customer, and so no cash balance.
    """
    customer, currency = intent["customer"], intent["currency"]
    if customer is None:
        raise parameter_missing("customer")
    applied = intent.setdefault("_cash_applied", 0)
    taken = min(held(call, customer, currency), int(intent["amount"]) - int(applied))
    if taken:
        details = {"payment_intent": intent["id"]}
        move(call, customer, currency, -taken, "applied_to_payment", details)
        intent["_cash_applied"] += taken
    return taken


def transfer_instructions(call: Call, intent: StripeObject) -> StripeObject:
    """The `next_action` with the amount that the customer must still transfer."""
    reference = intent.setdefault("_transfer_reference", token(12).upper())
    page = f"{call.state.public_url}/bank_transfer/{intent['id']}"
    return {
        "type": "display_bank_transfer_instructions",
        "display_bank_transfer_instructions": {
            "amount_remaining": intent["amount"] - intent["_cash_applied"],
            "currency": intent["currency"],
            "hosted_instructions_url": page,
            "reference": reference,
            "type": TRANSFER_TYPES.get(intent["currency"], "eu_bank_transfer"),
        },
    }


def shown(call: Call, customer: str) -> StripeObject:
    """The cash balance object of a customer."""
    currencies = {t["currency"] for t in call.select(KIND, lambda t: t["customer"] == customer)}
    available = {currency: held(call, customer, currency) for currency in sorted(currencies)}
    return {
        "object": "cash_balance",
        "available": available or None,
        "customer": customer,
        "livemode": False,
        "settings": {"reconciliation_mode": "automatic", "using_merchant_default": True},
    }


@registry.get("/v1/customers/{id}/cash_balance")
def retrieve_cash_balance(call: Call) -> StripeObject:
    """What the customer has transferred and not spent, by currency."""
    return shown(call, call.require("customer", call.path["id"], "customer")["id"])


@registry.get("/v1/customers/{id}/cash_balance_transactions")
def list_cash_balance_transactions(call: Call) -> StripeObject:
    """The changes of the cash balance, newest first."""
    customer = call.require("customer", call.path["id"], "customer")
    return call.page(KIND, lambda moved: moved["customer"] == customer["id"])
