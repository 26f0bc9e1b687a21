"""``escrow journals``: what was booked, as an accountant reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Table

from service.cli.books import (
    Accounts,
    From,
    Tenant,
    To,
    check_accounts,
    open_books,
    period,
)
from service.cli.csv_output import Cell, Csv, csv_rows
from service.cli.listing import one_output
from service.cli.named import find_escrow_named
from service.cli.numbers import whole_number
from service.cli.printing import AsJson, errors, people, print_json_list
from service.cli.tables import print_table
from service.domain import ids
from service.domain.money import format_minor
from service.ledger_tables import posting_number
from service.store.books import Connection
from service.store.journals import Chosen, JournalRecord, all_journals, latest_journals
from service.store.unreadable import Unreadable

LATEST = 50  # where neither a period nor a file is asked for
HEADER = (
    *("tenant", "journal_id", "booked_at", "event_at", "posting", "kind", "source_type"),
    *("source_id", "escrow_id", "reference", "line", "book", "account", "currency"),
    *("debit_minor", "credit_minor"),
)

Found = JournalRecord | Unreadable[UUID]


def journals(  # noqa: PLR0913  as many as there are options
    accounts: Accounts = None,
    escrow: Annotated[
        str | None, typer.Option(help='Only those of this escrow: its id, "esc_...", or any name.')
    ] = None,
    start: From = None,
    end: To = None,
    limit: Annotated[
        int | None,
        typer.Option(
            parser=whole_number(1, 10_000),
            help=f"The newest so many. (else {LATEST}; all with --from, --to or --csv)",
        ),
    ] = None,
    tenant: Tenant = "default",
    csv: Csv = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Prints the journals with their entries, oldest first: all that touch one of the accounts.

    The time is the books' (created_at), not the world's (event_at).
    """
    one_output(csv, as_json=as_json)
    check_accounts(accounts or ())
    time = period(start, end)
    if limit is None and not (start or end or csv):
        limit = LATEST
    damaged: list[Unreadable[UUID]] = []

    async def run() -> None:
        async with open_books(tenant, time.end) as (connection, final):
            chosen = Chosen(
                after=time.after,
                before=time.before,
                escrow_id=await find_escrow_named(connection, tenant, escrow, hint="--escrow")
                if escrow
                else None,
                accounts=accounts or (),
            )
            found = _readable(_read(connection, tenant, chosen, limit), damaged)
            if csv:
                with csv_rows(csv, HEADER) as write:
                    async for journal in found:
                        for cells in _rows(tenant, journal):
                            write(cells)
            elif as_json:
                before = {"tenant": tenant, "from": time.start, "to": time.end, "final": final}
                documents = (as_document(journal) async for journal in found)
                await print_json_list(
                    "journals",
                    documents,
                    before=before,
                    after=lambda: {"unreadable": [_public(each) for each in damaged]},
                )
            else:
                await _print(found, f"nothing is booked there for tenant {tenant}", damaged)

    asyncio.run(run())
    for each in damaged:
        line = f"journal {_public(each)} cannot be shown (escrow verify): {each.problem}"
        errors.print(line, style="red", markup=False, soft_wrap=True)


async def _read(
    connection: Connection, tenant: str, chosen: Chosen, limit: int | None
) -> AsyncIterator[Found]:
    if limit is None:
        async for journal in all_journals(connection, tenant, chosen):
            yield journal
        return
    for journal in await latest_journals(connection, tenant, limit=limit, chosen=chosen):
        yield journal


async def _readable(
    found: AsyncIterator[Found], damaged: list[Unreadable[UUID]]
) -> AsyncIterator[JournalRecord]:
    async for journal in found:
        if isinstance(journal, Unreadable):
            damaged.append(journal)
        else:
            yield journal


def _public(damaged: Unreadable[UUID]) -> str:
    return ids.show(ids.JOURNAL, damaged.key)


def as_document(journal: JournalRecord) -> dict[str, Any]:
    """A journal for a program, amounts in minor units."""
    return {
        "journal_id": journal.public_id,
        "kind": journal.kind,
        "posting": posting_number(journal.kind),
        "source": {"type": journal.source_type, "id": journal.source_id},
        "escrow_id": ids.show(ids.ESCROW, journal.escrow_id) if journal.escrow_id else "",
        "reference": journal.reference or "",
        "currency": journal.currency,
        "event_time": journal.event_at,
        "create_time": journal.created_at,
        "entries": [
            {
                "book": entry.book,
                "account": entry.account,
                "currency": entry.currency,
                "side": "debit" if entry.amount_minor > 0 else "credit",
                "amount_minor": abs(entry.amount_minor),
            }
            for entry in journal.entries
        ],
    }


def _rows(tenant: str, journal: JournalRecord) -> Iterator[tuple[Cell, ...]]:
    """One row of CSV for each entry; debit and credit, of which the other is empty."""
    document = as_document(journal)
    for line, entry in enumerate(document["entries"], start=1):
        amount = entry["amount_minor"]
        is_debit = entry["side"] == "debit"
        yield (
            *(tenant, document["journal_id"], journal.created_at, journal.event_at),
            *(document["posting"], journal.kind, journal.source_type, journal.source_id),
            *(document["escrow_id"], document["reference"], line, entry["book"]),
            *(entry["account"], entry["currency"]),
            *((amount, None) if is_debit else (None, amount)),
        )


async def _print(
    found: AsyncIterator[JournalRecord], nothing: str, damaged: list[Unreadable[UUID]]
) -> None:
    count = 0
    async for journal in found:
        count += 1
        print_journal(journal)
    if not count and not damaged:
        people.print(nothing, markup=False)


def print_journal(journal: JournalRecord) -> None:
    """Its time, number and ids on a line; then an entry a line, credits to the right."""
    document = as_document(journal)
    facts = [
        f"{journal.created_at:%Y-%m-%d %H:%M:%S} UTC",
        f"[bold]{document['posting']}[/] [cyan]{escape(journal.kind)}[/]",
        document["journal_id"],
        *filter(None, (document["escrow_id"], escape(document["reference"]))),
    ]
    people.print("  ".join(facts), soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2))
    table.add_column(min_width=62, no_wrap=True)
    table.add_column(justify="right", min_width=18)
    table.add_column(justify="right", min_width=18)
    for entry in journal.entries:
        amount = escape(format_minor(abs(entry.amount_minor), entry.currency))
        is_debit = entry.amount_minor > 0
        table.add_row(f"  {escape(entry.account)}", *((amount, "") if is_debit else ("", amount)))
    print_table(table)
