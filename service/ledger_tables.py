"""The ledger as tables for a terminal: journals, and the trial balance."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby, zip_longest

from rich.markup import escape
from rich.table import Table

from service.domain.accounts import ID_PATTERN
from service.domain.money import format_minor
from service.domain.postings import POSTINGS, JournalKind
from service.store.journals import JournalRecord
from service.store.trial_balance import Turnover

_ID = re.compile(ID_PATTERN)


def journals_table(found: Iterable[JournalRecord], *, with_header: bool = False) -> Table:
    """The journals one below the other, credits indented; the number is the posting's."""
    table = Table(
        box=None, pad_edge=False, padding=(0, 1), collapse_padding=True, show_header=with_header
    )
    # Tables that follow one another have their columns below each other, and fit 80 characters.
    table.add_column("", style="dim", justify="right", no_wrap=True, min_width=5)
    table.add_column("journal", style="cyan", overflow="fold", min_width=18)
    table.add_column("account", overflow="fold", min_width=30)
    table.add_column("debit", justify="right", no_wrap=True, min_width=10)
    table.add_column("credit", justify="right", no_wrap=True, min_width=10)
    for journal in found:
        _add_journal(table, journal)
    return table


def _add_journal(table: Table, journal: JournalRecord) -> None:
    currency = escape(journal.currency)
    leads = [(posting_number(journal.kind), escape(journal.kind)), ("", f"[dim]{currency}[/]")]
    for entry, lead in zip_longest(journal.entries, leads[: len(journal.entries)]):
        account = escape(short_account(entry.account))
        amount = _amount(abs(entry.amount_minor), entry.currency)
        if entry.currency != journal.currency:
            amount = f"{amount} {escape(entry.currency)}"
        is_debit = entry.amount_minor > 0
        cells = (account, amount, "") if is_debit else (f"  {account}", "", amount)
        table.add_row(*(lead or ("", "")), *cells)


def trial_balance_table(balances: Iterable[Turnover]) -> Table:
    """Every kind of account on the side where its balance is; the two sides add up to the same."""
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("book", style="dim", min_width=9)
    table.add_column("accounts", min_width=30)
    table.add_column("debit", justify="right", min_width=12)
    table.add_column("credit", justify="right", min_width=12)
    table.add_column("", style="dim")
    for (book, currency), group in groupby(balances, key=lambda b: (b.book, b.currency)):
        _add_book(table, book, currency, list(group))
    return table


def _add_book(table: Table, book: str, currency: str, balances: list[Turnover]) -> None:
    sums = [0, 0]
    for balance in balances:
        if not balance.closing_minor:
            continue
        side = 0 if balance.closing_minor > 0 else 1
        sums[side] += abs(balance.closing_minor)
        cells = ["", ""]
        cells[side] = _amount(abs(balance.closing_minor), currency)
        table.add_row(escape(book), escape(balance.account), *cells, escape(currency))
    verdict = "[green]balanced[/]" if sums[0] == sums[1] else "[red]out of balance[/]"
    shown = [_amount(total, currency) for total in sums]
    table.add_row(escape(book), verdict, *shown, escape(currency), style="bold")
    table.add_section()


def short_account(account: str) -> str:
    """The account with the last digits of the ids in it: "liab:escrow:..3f9a2c:held"."""
    return _ID.sub(lambda found: f"..{found[0].partition('_')[2][-6:]}", account)


def posting_number(kind: str) -> str:
    """The number that docs/generated/postings.md gives the posting."""
    return POSTINGS[JournalKind(kind)].number if kind in JournalKind.__members__.values() else ""


def _amount(amount_minor: int, currency: str) -> str:
    return format_minor(amount_minor, currency).removesuffix(f" {currency}")
