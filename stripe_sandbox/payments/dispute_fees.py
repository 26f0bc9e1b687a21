"""What Stripe charges for a dispute: the table by country, and how the two fees are taken.

The fee for receiving a dispute is part of the withdrawal, in the same balance transaction. The fee
for countering it is billed later, by a balance transaction of type `stripe_fee` that has no source:
nothing but its description and its day connects it with the dispute. Inquiries cost nothing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from stripe_sandbox import ledger
from stripe_sandbox.call import Call
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()

DAY_S = 24 * 3600
BILLED_AFTER_S = DAY_S

# Of either fee, by the currency that it is taken in.
AMOUNTS = {"usd": 1500, "eur": 2000, "gbp": 2000, "cad": 1500, "aud": 2500, "jpy": 1300}
OTHER_AMOUNT = 1500


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
    if _rules(call).countered:
        dispute["_countered_on"] = datetime.fromtimestamp(call.now, UTC).date().isoformat()
        _bill_later(call, dispute, -1)


def return_counter(call: Call, dispute: StripeObject) -> None:
    """A chargeback was won: give back what countering it cost, as late as it was taken."""
    _bill_later(call, dispute, 1)


def take_counter_again(call: Call, dispute: StripeObject) -> None:
    """A win was taken back: so is the fee that it returned."""
    _bill_later(call, dispute, -1)


def _bill_later(call: Call, dispute: StripeObject, sign: int) -> None:
    if "_countered_on" in dispute:
        call.schedule(BILLED_AFTER_S, "bill_countered_dispute", dispute=dispute["id"], sign=sign)


@registry.task("bill_countered_dispute")
def bill_countered_dispute(call: Call, dispute: str, sign: int) -> None:
    """Take the fee (-1), or give it back (1)."""
    countered = call.require("dispute", dispute)
    currency = countered["balance_transactions"][0]["currency"]
    what = "Fee" if sign < 0 else "Fee Refund"
    ledger.post(
        call,
        "stripe_fee",
        None,
        sign * received(call, currency),
        currency,
        description=f"Card Dispute Countered {what} ({countered['_countered_on']})",
    )
