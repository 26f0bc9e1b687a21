"""``escrow balances``: what accounts come to, or came to at any time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from service.cli.books import (
    MOMENT,
    Accounts,
    AsOf,
    Currency,
    Tenant,
    check_accounts,
    check_currency,
    moment,
    open_books,
)
from service.cli.csv_output import Csv, csv_rows
from service.cli.listing import Listing, one_output
from service.cli.printing import AsJson, people, print_json_list
from service.domain.accounts import WILDCARD, normal_side
from service.domain.money import format_minor
from service.domain.postings import PLATFORM_WIDE
from service.store.balances import Balance, balances_as_of, balances_of
from service.store.books import Connection

HEADER = ("tenant", "as_of", "account", "normal_side", "currency", "balance_minor")


def balances(
    accounts: Accounts = None,
    as_of: AsOf = None,
    currency: Currency = None,
    tenant: Tenant = "default",
    csv: Csv = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Prints balances: of the accounts named, or of the platform's own; now, or at any time.

    The time is the books' (created_at of a journal), not the world's (event_at).
    """
    one_output(csv, as_json=as_json)
    check_accounts(accounts or ())
    check_currency(currency)
    at = moment(as_of)

    async def run() -> None:
        async with open_books(tenant, at + MOMENT if at else None) as (connection, final):
            found = _read(connection, tenant, accounts or PLATFORM_WIDE, at, currency)
            if csv:
                with csv_rows(csv, HEADER) as write:
                    async for balance in found:
                        write((tenant, at, *as_document(balance).values()))
            elif as_json:
                before = {"tenant": tenant, "as_of": at, "final": final}
                documents = (as_document(balance) async for balance in found)
                await print_json_list("balances", documents, before=before)
            else:
                await _print(found, tenant, at, final=final)

    asyncio.run(run())


async def _read(
    connection: Connection,
    tenant: str,
    names: Iterable[str],
    at: datetime | None,
    currency: str | None,
) -> AsyncIterator[Balance]:
    if any(WILDCARD in name for name in names):
        async for balance in balances_of(connection, tenant, names, at, currency=currency):
            yield balance
        return
    for balance in await balances_as_of(connection, tenant, names, at, currency=currency):
        yield balance


def as_document(balance: Balance) -> dict[str, Any]:
    """A balance for a program, in minor units on the account's normal side."""
    side = normal_side(balance.account)
    return {
        "account": balance.account,
        "normal_side": "debit" if side > 0 else "credit",
        "currency": balance.currency,
        "balance_minor": balance.balance_minor * side,
    }


async def _print(
    found: AsyncIterator[Balance], tenant: str, at: datetime | None, *, final: bool
) -> None:
    listing = Listing(balances_table)
    async for balance in found:
        listing.add(balance)
    listing.end(f"nothing is booked there for tenant {tenant}")
    if at and not final:
        people.print("not final: the books are still open for this moment", style="yellow")


def balances_table(found: Iterable[Balance]) -> Table:
    """One balance a line, on the side on which it is."""
    table = Table("account", "debit", "credit", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for account, currency, balance_minor in found:
        amount = escape(format_minor(abs(balance_minor), currency))
        on_debit = (balance_minor or normal_side(account)) > 0
        table.add_row(escape(account), amount if on_debit else "", "" if on_debit else amount)
    return table
