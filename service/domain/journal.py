"""A journal: one balanced bookkeeping transaction, written from a line of the table of postings.

Amounts are integers in the currency's minor unit. A journal is balanced per currency in every book
(invariant I1): the table cannot say otherwise without ``Journal`` refusing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from service.domain.accounts import STRIPE, Account
from service.domain.postings import POSTINGS, JournalKind
from service.domain.records.balance_transaction import BalanceTransaction


class Source(NamedTuple):
    """The fact a journal records. One journal per (type, id, kind): invariant I7."""

    type: str
    id: str


class Entry(NamedTuple):
    """One line of a journal: debits are positive, credits negative.

    ``change_minor`` is what it adds to the account's balance row, on the account's normal side;
    None where the account has no such row.
    """

    book: str
    account: str
    amount_minor: int
    currency: str
    change_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Journal:
    """One balanced bookkeeping transaction; what converts has entries in two currencies, and
    balances in each. ``currency`` is the one that was asked for.

    ``event_at`` is when it happened in the world; the store adds when the books learned of it. What
    moves ``asset:stripe`` names its balance transaction, and moves it by that (invariant I2).
    """

    journal_id: UUID
    kind: JournalKind
    source: Source
    currency: str
    entries: tuple[Entry, ...]
    event_at: datetime
    escrow_id: UUID | None = None
    transaction: BalanceTransaction | None = None

    def __post_init__(self) -> None:
        totals: dict[tuple[str, str], int] = {}
        for entry in self.entries:
            side = entry.book, entry.currency
            totals[side] = totals.get(side, 0) + entry.amount_minor
        for (book, currency), total in totals.items():
            if total:
                off = f"{total} {currency} in book {book}"
                raise ValueError(f"{self.kind} is out of balance by {off}")
        self._check_transaction()

    def _check_transaction(self) -> None:
        at_stripe = [e for e in self.entries if e.account == STRIPE.template]
        if self.transaction is None:
            if at_stripe:
                raise ValueError(f"{self.kind} moves {STRIPE.template} by no balance transaction")
            return
        shown = self.transaction.net_minor, self.transaction.currency
        moved = sum(e.amount_minor for e in at_stripe), shown[1]
        if at_stripe and (moved != shown or any(e.currency != shown[1] for e in at_stripe)):
            raise ValueError(f"{self.kind} moves {at_stripe} by {self.transaction.id} of {shown}")


@dataclass(frozen=True, slots=True)
class Part:
    """What fills one row of the table: the names in its accounts' templates, and its amounts."""

    names: Mapping[str, str]
    amounts: Mapping[str, int]


def entries_of(
    kind: JournalKind, parts: Iterable[Part], currency: str, settled_currency: str = ""
) -> tuple[Entry, ...]:
    """Writes the posting ``kind`` for every part and merges the lines of one account, side and
    currency. ``settled_currency`` is that of the legs which say so.
    """
    posting = POSTINGS[kind]
    if posting.converts is not bool(settled_currency):
        raise ValueError(f"{kind} converts, or it does not")
    lines: dict[tuple[str, int, str], int] = {}
    accounts: dict[str, Account] = {}
    for part in parts:
        for side, legs in ((1, posting.debit), (-1, posting.credit)):
            for leg in legs:
                amount_minor = part.amounts[leg.amount]
                if amount_minor < 0:
                    raise ValueError(f"{kind}: {leg.amount} is negative: {amount_minor}")
                name = leg.account.template.format_map(part.names)
                accounts[name] = leg.account
                line = name, side, settled_currency if leg.settled else currency
                lines[line] = lines.get(line, 0) + side * amount_minor
    return tuple(
        _entry(accounts[name], name, amount_minor, of_currency)
        for (name, _, of_currency), amount_minor in lines.items()
        if amount_minor
    )


def _entry(account: Account, name: str, amount_minor: int, currency: str) -> Entry:
    change_minor = amount_minor * account.normal if account.tracked else None
    return Entry(account.book, name, amount_minor, currency, change_minor)
