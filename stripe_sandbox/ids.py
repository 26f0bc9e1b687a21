"""Object ids: Stripe's prefixes, and which kind of object each prefix names."""

import secrets
import string

ALPHABET = string.ascii_letters + string.digits

# `expand[]` finds the object of a field by the prefix of its id.
KIND_BY_PREFIX = {
    "acct": "account",
    "ba": "bank_account",
    "card": "card",
    "ccsbtxn": "customer_cash_balance_transaction",
    "ch": "charge",
    "cs": "checkout.session",
    "cus": "customer",
    "du": "dispute",
    "evt": "event",
    "file": "file",
    "in": "invoice",
    "issfr": "radar.early_fraud_warning",
    "pi": "payment_intent",
    "pm": "payment_method",
    "po": "payout",
    "price": "price",
    "prod": "product",
    "py": "charge",
    "pyr": "refund",
    "re": "refund",
    "seti": "setup_intent",
    "sub": "subscription",
    "tr": "transfer",
    "trr": "transfer_reversal",
    "tu": "topup",
    "txn": "balance_transaction",
    "we": "webhook_endpoint",
}


def token(length: int = 24) -> str:
    """Random letters and digits, as they follow the prefix of an id."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new_id(prefix: str) -> str:
    """A fresh id such as `pi_...`; checkout sessions carry their mode (`cs_test_...`)."""
    if prefix == "cs":
        return f"cs_test_{token(58)}"
    return f"{prefix}_{token()}"


def kind_of(object_id: str) -> str | None:
    """The kind of object an id names, or None for an id with a prefix we do not know."""
    return KIND_BY_PREFIX.get(object_id.partition("_")[0])
