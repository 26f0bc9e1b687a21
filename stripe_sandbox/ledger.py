"""The books of every account: balance transactions, and the balance they must add up to.

`post` is the only way money moves. A transaction's net is pending until `available_on`, then
available. The balance is kept beside the transactions, not derived from them, so that `books` can
prove that the two agree.
"""

from typing import Any

from stripe_sandbox.call import Call
from stripe_sandbox.ids import new_id
from stripe_sandbox.registry import Registry
from stripe_sandbox.state import State
from stripe_sandbox.store import StripeObject

registry = Registry()

# Card payments become available after two days, as they do in the United States.
SETTLEMENT_S = 2 * 24 * 3600

REPORTING_CATEGORY = {
    "payment": "charge",
    "payment_refund": "refund",
    "refund_failure": "refund_failure",
    "transfer_refund": "transfer_reversal",
    "transfer_failure": "transfer_reversal",
    "payout_failure": "payout_reversal",
    "payout_cancel": "payout_reversal",
    "stripe_fee": "fee",
}


def charge_fee(amount: int) -> int:
    """Stripe's fee on a card payment: 2.9 % + 30, rounded half up, in minor units."""
    return (amount * 29 + 500) // 1000 + 30


def payment_fee(kind: str, amount: int) -> int:
    """Stripe's fee on a payment by a type of payment method, in minor units.

    A bank debit costs a fixed 0.35, money that is already in a cash balance 0.5 %.
    """
    match kind:
        case "sepa_debit":
            return min(35, amount)
        case "customer_balance":
            return (amount * 5 + 500) // 1000
    return charge_fee(amount)


def stripe_fee_details(fee: int, currency: str, description: str) -> list[StripeObject]:
    """The `fee_details` of a fee that is Stripe's own."""
    if fee == 0:
        return []
    return [
        {
            "amount": fee,
            "application": None,
            "currency": currency,
            "description": description,
            "type": "stripe_fee",
        }
    ]


def post(  # noqa: PLR0913 - a balance transaction has that many independent facts
    call: Call,
    kind: str,
    source: str | None,
    amount: int,
    currency: str,
    *,
    fee: int = 0,
    fee_description: str = "Stripe processing fees",
    exchange_rate: float | None = None,
    available_on: int | None = None,
    description: str | None = None,
    reporting_category: str | None = None,
) -> StripeObject:
    """Move money on the call's account and return the balance transaction.

    Args:
        call: the account is the call's.
        kind: the transaction's `type`: charge, refund, transfer, payout, adjustment ...
        source: id of the object that caused it.
        amount: gross, in minor units, negative when money leaves.
        currency: three letters, lower case; one that the account can hold.
        fee: taken from the amount, in minor units.
        fee_description: what `fee_details` calls it.
        exchange_rate: of the conversion that led to the amount, if there was one.
        available_on: Unix seconds; now or None means the net is available at once.
        description: free text for the account's owner.
        reporting_category: where it differs from what the type implies.
    """
    settles_later = available_on is not None and available_on > call.now
    transaction = call.add(
        {
            "id": new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": available_on if available_on is not None else call.now,
            "balance_type": "payments",
            "created": call.now,
            "currency": currency,
            "description": description,
            "exchange_rate": exchange_rate,
            "fee": fee,
            "fee_details": stripe_fee_details(fee, currency, fee_description),
            "net": amount - fee,
            "reporting_category": reporting_category or REPORTING_CATEGORY.get(kind, kind),
            "source": source,
            "status": "pending" if settles_later else "available",
            "type": kind,
        }
    )
    _change(call, transaction["status"], currency, transaction["net"])
    if settles_later and available_on is not None:
        delay_s = available_on - call.state.clock.now()
        call.schedule(delay_s, "balance_available", transaction=transaction["id"])
    return transaction


@registry.task("balance_available")
def make_available(call: Call, transaction: str) -> None:
    """A balance transaction's net moves from pending to available."""
    posted = call.require("balance_transaction", transaction)
    posted["status"] = "available"
    _change(call, "pending", posted["currency"], -posted["net"])
    _change(call, "available", posted["currency"], posted["net"])


def balance(call: Call) -> dict[str, dict[str, int]]:
    """The account's balance: {"available": {currency: amount}, "pending": {...}}."""
    held = call.find("_balance", "balance")
    if held is None:
        held = call.add({"object": "_balance", "id": "balance", "available": {}, "pending": {}})
    return {"available": held["available"], "pending": held["pending"]}


def available(call: Call, currency: str) -> int:
    """The available balance in minor units; negative for a debt to Stripe."""
    return balance(call)["available"].get(currency, 0)


def _change(call: Call, status: str, currency: str, amount: int) -> None:
    amounts = balance(call)[status]
    amounts[currency] = amounts.get(currency, 0) + amount


def books(state: State) -> dict[str, Any]:
    """Every account's balance beside the sum of its transactions, and whether they agree."""
    accounts = {}
    for account in state.store.accounts_with("_balance"):
        held = state.store.read(account, "_balance", "balance") or {}
        transactions = list(state.store.newest_first(account, "balance_transaction"))
        sums: dict[str, dict[str, int]] = {"available": {}, "pending": {}}
        for posted in transactions:
            by_currency = sums[posted["status"]]
            by_currency[posted["currency"]] = by_currency.get(posted["currency"], 0) + posted["net"]
        kept = {status: held[status] for status in sums}
        accounts[account] = {
            "balance": kept,
            "sum_of_net": _total(sums),
            "balanced": _without_zeros(kept) == _without_zeros(sums),
            "balance_transactions": transactions,
        }
    return {
        "object": "books",
        "platform": state.platform,
        "balanced": all(account["balanced"] for account in accounts.values()),
        "accounts": accounts,
    }


def _total(sums: dict[str, dict[str, int]]) -> dict[str, int]:
    currencies = set(sums["available"]) | set(sums["pending"])
    return {
        currency: sums["available"].get(currency, 0) + sums["pending"].get(currency, 0)
        for currency in sorted(currencies)
    }


def _without_zeros(amounts: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {
        status: {currency: amount for currency, amount in by_currency.items() if amount}
        for status, by_currency in amounts.items()
    }
