"""THE table of postings: which event debits and credits which accounts, by which amounts.

Amounts are integers in the currency's minor unit. A journal is balanced per currency in every book
(invariant I1): the table cannot say otherwise without ``Journal`` refusing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

PLATFORM, CONNECTED = "platform", "connected"

STRIPE = "asset:stripe"
UNSETTLED = "asset:stripe_unsettled"
PROCESSING = "exp:processing"
TRANSFERS_IN_FLIGHT = "liab:transfers_in_flight"
PLATFORM_FEE = "rev:platform_fee"
SERVICE_FEE = "rev:service_fee"
HELD = "liab:escrow:{milestone}:held"
FEE_HELD = "liab:escrow:{milestone}:fee_held"
PAYABLE = "liab:payee:{payee}:payable"
SUSPENSE = "liab:suspense:{payment}"
CONN_BALANCE = "conn:{account}:balance"
CONN_IN_TRANSIT = "conn:{account}:in_transit"
CONN_OWNER = "conn:{account}:owner"


class Kind(StrEnum):
    """What happened, in the words of the books."""

    PAYMENT_SUCCEEDED = "payment_succeeded"
    PAYMENT_UNEXPECTED = "payment_unexpected"
    CHARGE_SETTLED = "charge_settled"
    RELEASED = "released"
    TRANSFER_REQUESTED = "transfer_requested"
    TRANSFER_CONFIRMED = "transfer_confirmed"
    TRANSFER_REFUSED = "transfer_refused"
    PAYOUT_CREATED = "payout_created"
    PAYOUT_PAID = "payout_paid"
    PAYOUT_RETURNED = "payout_returned"
    PAYOUT_RETURNED_AFTER_PAID = "payout_returned_after_paid"


class Leg(NamedTuple):
    """One side of a posting: an account (a template) and the name of its amount."""

    account: str
    amount: str


class Posting(NamedTuple):
    """One line of the table; ``number`` is its number in the accountant's table."""

    number: str
    debit: tuple[Leg, ...]
    credit: tuple[Leg, ...]


POSTINGS: Mapping[Kind, Posting] = {
    Kind.PAYMENT_SUCCEEDED: Posting(
        "1",
        debit=(Leg(UNSETTLED, "amount"), Leg(UNSETTLED, "payer_fee")),
        credit=(Leg(HELD, "amount"), Leg(FEE_HELD, "payer_fee")),
    ),
    # Money for something that no longer waits for it: the payer's still, and shown until resolved.
    Kind.PAYMENT_UNEXPECTED: Posting(
        "1s", debit=(Leg(UNSETTLED, "amount"),), credit=(Leg(SUSPENSE, "amount"),)
    ),
    Kind.CHARGE_SETTLED: Posting(
        "2",
        debit=(Leg(STRIPE, "net"), Leg(PROCESSING, "fee")),
        credit=(Leg(UNSETTLED, "net"), Leg(UNSETTLED, "fee")),
    ),
    Kind.RELEASED: Posting(
        "5",
        debit=(
            Leg(HELD, "payee_share"),
            Leg(HELD, "payee_fee"),
            Leg(FEE_HELD, "payer_fee"),
        ),
        credit=(
            Leg(PAYABLE, "payee_share"),
            Leg(SERVICE_FEE, "payee_fee"),
            Leg(PLATFORM_FEE, "payer_fee"),
        ),
    ),
    Kind.TRANSFER_REQUESTED: Posting(
        "7a", debit=(Leg(PAYABLE, "amount"),), credit=(Leg(TRANSFERS_IN_FLIGHT, "amount"),)
    ),
    Kind.TRANSFER_CONFIRMED: Posting(
        "7b 7c",
        debit=(Leg(TRANSFERS_IN_FLIGHT, "amount"), Leg(CONN_BALANCE, "amount")),
        credit=(Leg(STRIPE, "amount"), Leg(CONN_OWNER, "amount")),
    ),
    Kind.TRANSFER_REFUSED: Posting(
        "7d", debit=(Leg(TRANSFERS_IN_FLIGHT, "amount"),), credit=(Leg(PAYABLE, "amount"),)
    ),
    Kind.PAYOUT_CREATED: Posting(
        "8", debit=(Leg(CONN_IN_TRANSIT, "amount"),), credit=(Leg(CONN_BALANCE, "amount"),)
    ),
    Kind.PAYOUT_PAID: Posting(
        "8", debit=(Leg(CONN_OWNER, "amount"),), credit=(Leg(CONN_IN_TRANSIT, "amount"),)
    ),
    Kind.PAYOUT_RETURNED: Posting(
        "8c", debit=(Leg(CONN_BALANCE, "amount"),), credit=(Leg(CONN_IN_TRANSIT, "amount"),)
    ),
    # Through in_transit, so that the account tells the payout's whole way.
    Kind.PAYOUT_RETURNED_AFTER_PAID: Posting(
        "8c",
        debit=(Leg(CONN_IN_TRANSIT, "amount"), Leg(CONN_BALANCE, "amount")),
        credit=(Leg(CONN_OWNER, "amount"), Leg(CONN_IN_TRANSIT, "amount")),
    ),
}

PLATFORM_WIDE = tuple(
    sorted(
        {
            leg.account
            for posting in POSTINGS.values()
            for leg in (*posting.debit, *posting.credit)
            if "{" not in leg.account
        }
    )
)
"""The accounts of the platform itself, which nobody's name is in: every posting may share them."""


class Source(NamedTuple):
    """The fact a journal records. One journal per (type, id, kind): invariant I7."""

    type: str
    id: str


class Entry(NamedTuple):
    """One line of a journal: debits are positive, credits negative."""

    book: str
    account: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Journal:
    """One balanced bookkeeping transaction in one currency.

    ``event_at`` is when it happened in the world; the store adds when the books learned of it.
    """

    kind: Kind
    source: Source
    currency: str
    entries: tuple[Entry, ...]
    event_at: datetime
    escrow_id: UUID | None = None

    def __post_init__(self) -> None:
        totals = dict.fromkeys((PLATFORM, CONNECTED), 0)
        for book, _, amount_minor in self.entries:
            totals[book] += amount_minor
        for book, total in totals.items():
            if total:
                raise ValueError(f"{self.kind} is out of balance by {total} in book {book}")


def book_of(account: str) -> str:
    return CONNECTED if account.startswith("conn:") else PLATFORM


def is_tracked(account: str) -> bool:
    """Whether the account has a locked balance row that may not fall below zero (invariant I3).

    Those are what belongs to a person or a milestone. Platform-wide accounts are append-only, so
    that no two releases ever wait for each other on one row.
    """
    return account.startswith(("liab:escrow:", "liab:payee:", "liab:suspense:")) or (
        account.startswith("conn:") and not account.endswith(":owner")
    )


def normal_side(account: str) -> int:
    """+1 where debits increase the account (assets, expenses, what a connected account has)."""
    if account.startswith("conn:"):
        return -1 if account.endswith(":owner") else 1
    return 1 if account.startswith(("asset:", "exp:")) else -1


@dataclass(frozen=True, slots=True)
class Part:
    """What fills one row of the table: the names in its account templates, and its amounts."""

    names: Mapping[str, str]
    amounts: Mapping[str, int]


def journal(
    kind: Kind,
    source: Source,
    currency: str,
    parts: Iterable[Part],
    *,
    event_at: datetime,
    escrow_id: UUID | None = None,
) -> Journal:
    """Writes the posting ``kind`` for every part and merges the lines of one account and side."""
    posting = POSTINGS[kind]
    lines: dict[tuple[str, int], int] = {}
    for part in parts:
        for side, legs in ((1, posting.debit), (-1, posting.credit)):
            for leg in legs:
                amount_minor = part.amounts[leg.amount]
                if amount_minor < 0:
                    raise ValueError(f"{kind}: {leg.amount} is negative: {amount_minor}")
                key = leg.account.format_map(part.names), side
                lines[key] = lines.get(key, 0) + side * amount_minor
    entries = tuple(
        Entry(book_of(account), account, amount_minor)
        for (account, _), amount_minor in lines.items()
        if amount_minor
    )
    return Journal(kind, source, currency, entries, event_at, escrow_id)
