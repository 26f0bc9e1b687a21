"""What Stripe charges for a dispute: the table by country, and how the two fees are taken.

The fee for receiving a dispute is part of the withdrawal, in the same balance transaction. The fee
for countering it is billed later, by a balance transaction of type `stripe_fee` that has no source:
nothing but its description and its day connects it with the dispute. What the network takes in a
compliance case is billed with it. Inquiries cost nothing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from stripe_sandbox import ledger, settlement
from stripe_sandbox.call import Call
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()

DAY_S = 24 * 3600
BILLED_AFTER_S = DAY_S

# Of either fee, by the currency that it is taken in.
AMOUNTS = {"usd": 1500, "eur": 2000, "gbp": 2000, "cad": 1500, "aud": 2500, "jpy": 1300}
OTHER_AMOUNT = 1500
# What a network takes to decide about its own rules, in dollars; also returned on a win.
COMPLIANCE_USD = 50_000


@dataclass(frozen=True)
class Rules:
    """What an account in a country pays."""

    received_returned_on_win: bool = False
    countered: bool = True  # always returned on a win


EVERYWHERE = Rules()
BY_COUNTRY = {
    "MX": Rules(received_returned_on_win=True, countered=False),
    "JP": Rules(countered=False),
}


def _rules(call: Call) -> Rules:
    account = call.on(call.state.platform).find("account", call.account)
    return BY_COUNTRY.get(account["country"], EVERYWHERE) if account else EVERYWHERE


def received(_call: Call, currency: str) -> int:
    """The fee for receiving a chargeback, in minor units."""
    return AMOUNTS.get(currency, OTHER_AMOUNT)


def returned_on_win(call: Call, currency: str) -> int:
    """How much of the fee for receiving a chargeback a win gives back."""
    return received(call, currency) if _rules(call).received_returned_on_win else 0


def counter(call: Call, dispute: StripeObject) -> None:
    """Evidence against a chargeback was submitted: bill it, where Stripe does."""
    currency = dispute["balance_transactions"][0]["currency"]
    fees = {}
    if _rules(call).countered:
        fees["Card Dispute Countered Fee"] = received(call, currency)
    if dispute["payment_method_details"]["card"]["case_type"] == "compliance":
        fee = settlement.convert(call, COMPLIANCE_USD, "usd", currency)
        fees["Card Dispute Compliance Fee"] = fee.amount
    dispute["_countered_on"] = datetime.fromtimestamp(call.now, UTC).date().isoformat()
    dispute["_counter_fees"] = fees
    _bill_later(call, dispute, -1)


def return_counter(call: Call, dispute: StripeObject) -> None:
    """A chargeback was won: give back what countering it cost, as late as it was taken."""
    _bill_later(call, dispute, 1)


def take_counter_again(call: Call, dispute: StripeObject) -> None:
    """A win was taken back: so is the fee that it returned."""
    _bill_later(call, dispute, -1)


def _bill_later(call: Call, dispute: StripeObject, sign: int) -> None:
    if dispute.get("_counter_fees"):
        call.schedule(BILLED_AFTER_S, "bill_countered_dispute", dispute=dispute["id"], sign=sign)


@registry.task("bill_countered_dispute")
def bill_countered_dispute(call: Call, dispute: str, sign: int) -> None:
    """Take the fees (-1), or give them back (1)."""
    countered = call.require("dispute", dispute)
    for name, amount in countered["_counter_fees"].items():
        ledger.post(
            call,
            "stripe_fee",
            None,
            sign * amount,
            countered["balance_transactions"][0]["currency"],
            description=f"{name}{' Refund' if sign > 0 else ''} ({countered['_countered_on']})",
        )
