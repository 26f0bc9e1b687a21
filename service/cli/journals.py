"""``escrow journals``: what was booked, as an accountant reads it; and how a ledger is shown."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from service.cli.printing import AsJson, people, print_json
from service.config import load_settings
from service.database import pooled_database
from service.domain import ids
from service.domain.ledger import POSTINGS, Kind
from service.domain.money import format_minor
from service.store.journals import AccountBalance, JournalRecord, latest_journals

_ID = re.compile(r"(?:mst|pye|pay|acct)_(\w+)")
_ESCROW_ID = re.compile(r"esc_[0-9a-f]{32}")


def journals(
    escrow: Annotated[
        str | None, typer.Option(help='Only those of this escrow: "esc_...".')
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose books.")] = "default",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """Prints the journals with their entries, oldest first."""
    if escrow is not None and not _ESCROW_ID.fullmatch(escrow):
        raise typer.BadParameter("must be an escrow's id: esc_ and 32 hexadecimal digits")
    found = asyncio.run(_read(tenant, escrow, limit))
    if as_json:
        print_json([as_document(journal) for journal in found])
    elif found:
        people.print(journals_table(found, with_header=True))
    else:
        people.print("nothing is booked")


async def _read(tenant: str, escrow: str | None, limit: int) -> list[JournalRecord]:
    escrow_id = ids.read(escrow) if escrow else None
    async with pooled_database(load_settings()) as pool:
        return await latest_journals(pool, tenant, escrow_id=escrow_id, limit=limit)


def as_document(journal: JournalRecord) -> dict[str, Any]:
    """A journal for a program, amounts in minor units."""
    return {
        "journal_id": journal.journal_id.hex,
        "kind": journal.kind,
        "posting": _posting_number(journal.kind),
        "source": {"type": journal.source_type, "id": journal.source_id},
        "escrow_id": ids.show(ids.ESCROW, journal.escrow_id) if journal.escrow_id else None,
        "currency": journal.currency,
        "event_at": journal.event_at,
        "created_at": journal.created_at,
        "entries": [
            {
                "book": entry.book,
                "account": entry.account,
                "side": "debit" if entry.amount_minor > 0 else "credit",
                "amount_minor": abs(entry.amount_minor),
            }
            for entry in journal.entries
        ],
    }


def journals_table(found: Iterable[JournalRecord], *, with_header: bool = False) -> Table:
    """The journals one below the other, credits indented; the number is the posting's."""
    table = Table(box=None, pad_edge=False, padding=(0, 1), show_header=with_header)
    table.add_column("", style="dim", justify="right", no_wrap=True)
    table.add_column("journal", style="cyan", no_wrap=True)
    table.add_column("account", no_wrap=True)
    table.add_column("debit", justify="right", no_wrap=True)
    table.add_column("credit", justify="right", no_wrap=True)
    for journal in found:
        _add_journal(table, journal)
    return table


def _add_journal(table: Table, journal: JournalRecord) -> None:
    lead = [_posting_number(journal.kind), journal.kind]
    for entry in journal.entries:
        amount = _amount(abs(entry.amount_minor), journal.currency)
        account = short_account(entry.account)
        if entry.amount_minor > 0:
            table.add_row(*lead, account, amount, "")
        else:
            table.add_row(*lead, Text(f"  {account}"), "", amount)
        lead = ["", Text(journal.currency, style="dim") if lead[0] else ""]
        if not lead[1]:
            lead = ["", ""]


def trial_balance_table(balances: Iterable[AccountBalance]) -> Table:
    """Every kind of account on the side where its balance is; the two sides add up to the same."""
    table = Table(box=None, pad_edge=False, padding=(0, 1), show_header=True)
    table.add_column("book", style="dim")
    table.add_column("accounts")
    table.add_column("debit", justify="right")
    table.add_column("credit", justify="right")
    table.add_column("", style="dim")
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for book, accounts, currency, balance_minor in balances:
        debit, credit = max(balance_minor, 0), max(-balance_minor, 0)
        totals = sums.get((book, currency), (0, 0))
        sums[book, currency] = totals[0] + debit, totals[1] + credit
        shown = [_amount(side, currency) if side else "" for side in (debit, credit)]
        if balance_minor:
            table.add_row(book, accounts, *shown, currency)
    for (book, currency), (debit, credit) in sums.items():
        verdict = "[green]=[/]" if debit == credit else "[red]not equal[/]"
        totals_shown = (_amount(debit, currency), _amount(credit, currency))
        table.add_row(book, f"[bold]total[/] {verdict}", *totals_shown, currency, style="bold")
    return table


def short_account(account: str) -> str:
    """The account with the last digits of the ids in it: "liab:escrow:..3f9a2c:held"."""
    return _ID.sub(lambda found: f"..{found[1][-6:]}", account)


def _posting_number(kind: str) -> str:
    return POSTINGS[Kind(kind)].number if kind in Kind.__members__.values() else ""


def _amount(amount_minor: int, currency: str) -> str:
    return format_minor(amount_minor, currency).removesuffix(f" {currency}")
