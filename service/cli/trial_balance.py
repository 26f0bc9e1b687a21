"""``escrow trial-balance``: every account before a period, in it and after it; it sums to zero."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any

import typer
from asyncpg.pool import PoolConnectionProxy
from rich.markup import escape
from rich.table import Table

from service.cli.books import (
    MOMENT,
    AsOf,
    Currency,
    From,
    Period,
    Tenant,
    To,
    check_currency,
    moment,
    open_books,
    period,
)
from service.cli.csv_output import Csv, csv_rows
from service.cli.listing import Listing, one_output
from service.cli.printing import AsJson, people, print_json_list
from service.domain.money import format_minor
from service.store.trial_balance import Turnover, trial_balance, trial_balance_by_account

ByAccount = Annotated[
    bool, typer.Option("--by-account", help="Each account, and not those of a kind together.")
]
COLUMNS = ("opening_minor", "debit_minor", "credit_minor", "closing_minor")
HEADER = ("tenant", "from", "to", "book", "account", "currency", *COLUMNS)
Totals = dict[tuple[str, str], Turnover]


def trial_balance_command(  # noqa: PLR0913  as many as there are options
    start: From = None,
    end: To = None,
    as_of: AsOf = None,
    currency: Currency = None,
    tenant: Tenant = "default",
    csv: Csv = None,
    *,
    by_account: ByAccount = False,
    as_json: AsJson = False,
) -> None:
    """Prints what every account came to before a period, what moved in it, and what it comes to.

    Balances are positive on the debit side. Each book sums to zero in every currency; exit status 1
    when one does not.
    """
    one_output(csv, as_json=as_json)
    check_currency(currency)
    chosen = _chosen(start, end, as_of)
    totals = asyncio.run(
        _run(chosen, currency, tenant, csv, by_account=by_account, as_json=as_json)
    )
    if any(not _balanced(total) for total in totals.values()):
        raise typer.Exit(1)


def _chosen(start: str | None, end: str | None, as_of: str | None) -> Period:
    if as_of and end:
        raise typer.BadParameter("cannot be used with --to", param_hint="--as-of")
    at = moment(as_of)
    chosen = period(start, end)
    return Period(chosen.start, at + MOMENT if at else chosen.end)


async def _run(
    chosen: Period,
    currency: str | None,
    tenant: str,
    csv: str | None,
    *,
    by_account: bool,
    as_json: bool,
) -> Totals:
    totals: Totals = {}
    async with open_books(tenant, chosen.end) as (connection, final):
        found = _adding(_read(connection, tenant, chosen, currency, by_account=by_account), totals)
        if csv:
            with csv_rows(csv, HEADER) as write:
                async for line in found:
                    write((tenant, chosen.start, chosen.end, *as_document(line).values()))
        elif as_json:
            whole = {"tenant": tenant, "from": chosen.start, "to": chosen.end, "final": final}
            documents = (as_document(line) async for line in found)
            await print_json_list(
                "accounts", documents, before=whole, after=lambda: _summary(totals)
            )
        else:
            await _print(found, totals, tenant, chosen.end, final=final)
    return totals


async def _read(
    connection: PoolConnectionProxy,
    tenant: str,
    chosen: Period,
    currency: str | None,
    *,
    by_account: bool,
) -> AsyncIterator[Turnover]:
    bounds = {"after": chosen.after, "before": chosen.before}
    if by_account:
        async for line in trial_balance_by_account(connection, tenant, currency=currency, **bounds):
            yield line
        return
    for line in await trial_balance(connection, tenant, currency=currency, **bounds):
        yield line


async def _adding(lines: AsyncIterator[Turnover], totals: Totals) -> AsyncIterator[Turnover]:
    """The same lines, while each is added to the total of its book and currency."""
    async for line in lines:
        key = line.book, line.currency
        known = totals.get(key)
        amounts = [a + b for a, b in zip(known[3:], line[3:], strict=True)] if known else line[3:]
        totals[key] = Turnover(line.book, "", line.currency, *amounts)
        yield line


def _balanced(total: Turnover) -> bool:
    return not total.opening_minor and not total.closing_minor


def as_document(line: Turnover) -> dict[str, Any]:
    """A line for a program, in minor units; balances are positive on the debit side."""
    facts = {"book": line.book, "account": line.account, "currency": line.currency}
    return facts | {name: getattr(line, name) for name in COLUMNS}


def _summary(totals: Totals) -> dict[str, Any]:
    shown = [as_document(total) | {"balanced": _balanced(total)} for total in totals.values()]
    for total in shown:
        del total["account"]
    return {"totals": shown, "balanced": all(map(_balanced, totals.values()))}


async def _print(
    found: AsyncIterator[Turnover],
    totals: Totals,
    tenant: str,
    end: datetime | None,
    *,
    final: bool,
) -> None:
    listing = Listing(_table)
    async for line in found:
        listing.add(line)
    listing.end(f"nothing is booked for tenant {tenant}")
    for total in totals.values():
        verdict = "[green]sums to zero[/]" if _balanced(total) else "[red]out of balance[/]"
        people.print(
            f"{escape(total.book)}, {escape(total.currency)}: {verdict}, turnover "
            + " = ".join(_amounts(total, ("debit_minor", "credit_minor")))
        )
    if end and not final:
        people.print("not final: the books are still open for this time", style="yellow")


def _table(lines: Iterable[Turnover]) -> Table:
    table = Table("book", "account", "opening", "debit", "credit", "closing", "", box=None)
    for column in table.columns[2:6]:
        column.justify = "right"
    for line in lines:
        texts = map(escape, (line.book, line.account))
        table.add_row(*texts, *_amounts(line, COLUMNS), escape(line.currency))
    return table


def _amounts(line: Turnover, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        text = format_minor(getattr(line, name), line.currency)
        yield escape(text.removesuffix(f" {line.currency}"))
