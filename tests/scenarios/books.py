"""What the ledger should say: journals as kinds with their entries, debits positive.

Most scenarios are about one milestone of 100.00 USD: the payer pays 5 % on top, Stripe keeps 2.9 %
and 0.30 of the 105.00, and 20 % is kept from the payee.
"""

from collections.abc import Mapping
from typing import NamedTuple

Expected = tuple[str, Mapping[str, int]]


class Journal(NamedTuple):
    """One journal with its entries by account; ids in accounts say m1, payee, account."""

    kind: str
    entries: tuple[tuple[str, int], ...]


def books(*journals: Expected) -> list[Journal]:
    """These journals, each once, whatever their order."""
    return sorted(Journal(kind, tuple(sorted(lines.items()))) for kind, lines in journals)


def funded(amount_minor: int, payer_fee_minor: int, milestone: str = "m1") -> Expected:
    return (
        "payment_succeeded",
        {
            "asset:stripe_unsettled": amount_minor + payer_fee_minor,
            f"liab:escrow:{milestone}:held": -amount_minor,
            f"liab:escrow:{milestone}:fee_held": -payer_fee_minor,
        },
    )


def settled(amount_minor: int, processing_fee_minor: int) -> Expected:
    return (
        "charge_settled",
        {
            "asset:stripe": amount_minor - processing_fee_minor,
            "exp:processing": processing_fee_minor,
            "asset:stripe_unsettled": -amount_minor,
        },
    )


def released(
    amount_minor: int, *, payee_fee_minor: int, payer_fee_minor: int, milestone: str = "m1"
) -> Expected:
    return (
        "released",
        {
            f"liab:escrow:{milestone}:held": amount_minor,
            f"liab:escrow:{milestone}:fee_held": payer_fee_minor,
            "liab:payee:payee:payable": payee_fee_minor - amount_minor,
            "rev:service_fee": -payee_fee_minor,
            "rev:platform_fee": -payer_fee_minor,
        },
    )


def requested(amount_minor: int) -> Expected:
    return (
        "transfer_requested",
        {"liab:payee:payee:payable": amount_minor, "liab:transfers_in_flight": -amount_minor},
    )


def refused(amount_minor: int) -> Expected:
    return (
        "transfer_refused",
        {"liab:transfers_in_flight": amount_minor, "liab:payee:payee:payable": -amount_minor},
    )


def confirmed(amount_minor: int) -> Expected:
    return (
        "transfer_confirmed",
        {
            "liab:transfers_in_flight": amount_minor,
            "asset:stripe": -amount_minor,
            "conn:account:balance": amount_minor,
            "conn:account:owner": -amount_minor,
        },
    )


def paid_out(kind: str, amount_minor: int, *, debit: str, credit: str) -> Expected:
    """A journal of the connected book: from one of its accounts to another."""
    return (kind, {f"conn:account:{debit}": amount_minor, f"conn:account:{credit}": -amount_minor})


FUNDED = funded(10_000, 500)
SETTLED = settled(10_500, 335)
RELEASED = released(10_000, payee_fee_minor=2_000, payer_fee_minor=500)
REQUESTED = requested(8_000)
CONFIRMED = confirmed(8_000)
TRANSFERRED = (FUNDED, SETTLED, RELEASED, REQUESTED, CONFIRMED)
PAYOUT_CREATED = paid_out("payout_created", 8_000, debit="in_transit", credit="balance")
PAYOUT_PAID = paid_out("payout_paid", 8_000, debit="owner", credit="in_transit")
# Through in_transit and back: the two lines of an account are shown as their sum.
PAYOUT_RETURNED_AFTER_PAID = (
    "payout_returned_after_paid",
    {"conn:account:balance": 8_000, "conn:account:owner": -8_000, "conn:account:in_transit": 0},
)
