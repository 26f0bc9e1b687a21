"""``escrow balances``: what accounts come to, or came to at any time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from service.cli.printing import AsJson, people, print_json
from service.config import load_settings
from service.database import pooled_database
from service.domain.accounts import STRIPE, normal_side
from service.domain.ids import EPOCH
from service.domain.money import CURRENCIES, format_minor
from service.domain.postings import PLATFORM_WIDE
from service.store.balances import Balance, balances_as_of, is_final


def balances(
    accounts: Annotated[
        list[str] | None,
        typer.Argument(
            help=f'As journals name them; else "{STRIPE.template}" and all of its kind.'
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(help='At the end of this moment, RFC 3339: "2026-11-30T23:59:59.999Z".'),
    ] = None,
    currency: Annotated[str | None, typer.Option(help='Only in this one: "USD".')] = None,
    tenant: Annotated[str, typer.Option(help="Whose books.")] = "default",
    *,
    as_json: AsJson = False,
) -> None:
    """Prints balances: of the accounts named, or of the platform's own; now, or at any time.

    The time is the books' (created_at of a journal), not the world's (event_at).
    """
    at = _moment(as_of) if as_of else None
    if currency is not None and currency not in CURRENCIES:
        raise typer.BadParameter(f"there is no currency {currency!r}", param_hint="--currency")
    found, final = asyncio.run(_find(tenant, accounts or PLATFORM_WIDE, at, currency))
    if as_json:
        shown = [as_document(balance) for balance in found]
        print_json({"tenant": tenant, "as_of": at, "final": final, "balances": shown})
        return
    if found:
        people.print(balances_table(found))
    else:
        people.print("nothing is booked there")
    if at and not final:
        people.print("not final: the books are still open for this moment", style="yellow")


async def _find(
    tenant: str, accounts: list[str] | tuple[str, ...], at: datetime | None, currency: str | None
) -> tuple[list[Balance], bool]:
    async with pooled_database(load_settings()) as pool:
        # Asked first: what is final now is final in what is read after.
        final = at is not None and await is_final(pool, tenant, at)
        return await balances_as_of(pool, tenant, accounts, at, currency=currency), final


def as_document(balance: Balance) -> dict[str, Any]:
    """A balance for a program, in minor units on the account's normal side."""
    side = normal_side(balance.account)
    return {
        "account": balance.account,
        "currency": balance.currency,
        "normal_side": "debit" if side > 0 else "credit",
        "balance_minor": balance.balance_minor * side,
    }


def balances_table(found: list[Balance]) -> Table:
    """One balance a line, on the side on which it is."""
    table = Table("account", "debit", "credit", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for account, currency, balance_minor in found:
        amount = escape(format_minor(abs(balance_minor), currency))
        on_debit = (balance_minor or normal_side(account)) > 0
        table.add_row(escape(account), amount if on_debit else "", "" if on_debit else amount)
    return table


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise typer.BadParameter(
            f"{text!r} is not an RFC 3339 time with its offset, such as 2026-11-30T23:59:59.999Z",
            param_hint="--as-of",
        )
    if at < EPOCH:
        raise typer.BadParameter(f"{text} is before 1970", param_hint="--as-of")
    if at > datetime.now(UTC):
        raise typer.BadParameter(f"{text} is in the future", param_hint="--as-of")
    return at
