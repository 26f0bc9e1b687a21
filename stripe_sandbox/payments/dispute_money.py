"""What a dispute does to the balance.

A chargeback takes the disputed amount and Stripe's fee; a win gives the amount back, and so does a
loss of which the bank returns a part. Where the charge was converted, each movement is converted
at the rate of its own day, and unlike a charge's its balance transaction does not show the rate.
"""

from stripe_sandbox import ledger, settlement
from stripe_sandbox.call import Call
from stripe_sandbox.payments import dispute_fees
from stripe_sandbox.store import StripeObject, private_copy

TAKEN, RETURNED = "dispute", "dispute_reversal"  # reporting categories


def withdraw(call: Call, dispute: StripeObject, *, again: bool = False) -> None:
    """Debit the disputed amount and the fee for receiving a chargeback: again only what a win gave.

    It is pending as long as the charge's own funds are; the charge may also have none yet.
    """
    charge = call.require("charge", dispute["charge"])
    currency = settlement.of_charge(call, charge).currency
    fee_of = dispute_fees.returned_on_win if again else dispute_fees.received
    _post(
        call,
        dispute,
        TAKEN,
        -settlement.convert(call, dispute["amount"], dispute["currency"], currency).amount,
        currency,
        fee=fee_of(call, currency),
        fee_description="Dispute fee",
        available_on=_pending_until(call, charge),
        description=f"Chargeback withdrawal for {charge['id']}",
    )
    dispute["_outstanding"] += dispute["amount"]
    dispute["is_charge_refundable"] = False
    charge["_charged_back"] = True


def _pending_until(call: Call, charge: StripeObject) -> int | None:
    if charge["balance_transaction"] is None:
        return None
    charged = call.require("balance_transaction", charge["balance_transaction"])
    return int(charged["available_on"]) if charged["status"] == "pending" else None


def reinstate(call: Call, dispute: StripeObject, amount: int, *, won: bool) -> None:
    """Credit an amount in the dispute's currency; it settles as a new payment does.

    A win gives back the fee, too, where Stripe's table says so.
    """
    currency = dispute["balance_transactions"][0]["currency"]
    _post(
        call,
        dispute,
        RETURNED,
        settlement.convert(call, amount, dispute["currency"], currency).amount,
        currency,
        fee=-dispute_fees.returned_on_win(call, currency) if won else 0,
        fee_description="Dispute fee refund",
        available_on=call.now + ledger.SETTLEMENT_S,
        description=f"Chargeback reversal for {dispute['charge']}",
    )
    dispute["_outstanding"] -= amount


def adjust(call: Call, dispute: StripeObject, amount: int) -> None:
    """The bank corrects what it took, by an amount of the balance: a conversion, for example."""
    _post(
        call,
        dispute,
        TAKEN if amount < 0 else RETURNED,
        amount,
        dispute["balance_transactions"][0]["currency"],
        description=f"Chargeback adjustment for {dispute['charge']}",
    )


def _post(  # noqa: PLR0913 - those of a balance transaction
    call: Call,
    dispute: StripeObject,
    category: str,
    amount: int,
    currency: str,
    *,
    fee: int = 0,
    fee_description: str = "",
    available_on: int | None = None,
    description: str,
) -> None:
    posted = ledger.post(
        call,
        "adjustment",
        dispute["id"],
        amount,
        currency,
        fee=fee,
        fee_description=fee_description,
        available_on=available_on,
        description=description,
        reporting_category=category,
    )
    dispute["balance_transactions"].append(private_copy(posted))


def with_current_transactions(call: Call, dispute: StripeObject) -> StripeObject:
    """The dispute with its balance transactions as they are now: pending ones become available."""
    current = [
        private_copy(call.require("balance_transaction", posted["id"]))
        for posted in dispute["balance_transactions"]
    ]
    return {**dispute, "balance_transactions": current}
