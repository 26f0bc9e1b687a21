"""What the commands that read the books share: whose, which accounts, of which time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer
from asyncpg.pool import PoolConnectionProxy

from service.config import DatabaseRole, load_settings
from service.database import pooled_database
from service.domain import ids
from service.domain.accounts import PAYABLE, WILDCARD, UnknownAccount, account_named
from service.domain.ids import EPOCH
from service.domain.money import CURRENCIES
from service.store.balances import FIRST, LAST, is_final
from service.store.books import one_moment

STATEMENT_TIMEOUT_S = 600.0  # an export may read every entry there is
MOMENT = timedelta(milliseconds=1)  # as long as ids tell moments apart
_TIMES = "ISO 8601, UTC unless it has an offset; the time of the books"

Accounts = Annotated[
    list[str] | None,
    typer.Argument(
        help=f'As journals and balances name them; * stands for any characters: "{PAYABLE.shape}".'
    ),
]
Tenant = Annotated[str, typer.Option(help="Whose books.")]
Currency = Annotated[str | None, typer.Option(help='Only in this one: "USD".')]
From = Annotated[
    str | None,
    typer.Option(
        "--from", help=f'From this time on: "2026-11-01" or "2026-11-01T12:00" ({_TIMES}).'
    ),
]
To = Annotated[
    str | None,
    typer.Option("--to", help="Before this time: --to 2026-12-01 has all of November."),
]
AsOf = Annotated[
    str | None,
    typer.Option(help=f'At the end of this moment: "2026-11-30T23:59:59.999" ({_TIMES}).'),
]


@dataclass(frozen=True, slots=True)
class Period:
    """From a time on, and before another; None where it has no such end."""

    start: datetime | None = None
    end: datetime | None = None

    @property
    def after(self) -> UUID:
        """An id below every journal of the period."""
        return ids.first_uuid(self.start) if self.start else FIRST

    @property
    def before(self) -> UUID:
        """An id above every journal of the period."""
        return ids.first_uuid(self.end) if self.end else LAST


def period(start: str | None, end: str | None) -> Period:
    """The period that ``--from`` and ``--to`` name.

    Raises:
        typer.BadParameter: one of them is no time, or it ends before it begins.
    """
    found = Period(_time(start, "--from"), _time(end, "--to"))
    if found.start and found.end and found.end <= found.start:
        raise typer.BadParameter(f"{end} is not after {start}", param_hint="--to")
    return found


def moment(text: str | None) -> datetime | None:
    """The moment that ``--as-of`` names.

    Raises:
        typer.BadParameter: it is no time, a whole day, or has not come yet.
    """
    at = _time(text, "--as-of")
    if text and len(text.strip()) <= len("2026-11-20"):
        raise typer.BadParameter(
            f"{text} is a whole day; say the time: {text}T23:59:59.999", param_hint="--as-of"
        )
    if at and at > datetime.now(UTC):
        raise typer.BadParameter(f"{text} is in the future", param_hint="--as-of")
    return at


def _time(text: str | None, option: str) -> datetime | None:
    return None if text is None else time_of(text, option)


def time_of(text: str, option: str) -> datetime:
    """The time that an option names, in UTC where it does not say otherwise.

    Raises:
        typer.BadParameter.
    """
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is not a time such as 2026-11-30 or 2026-11-30T23:59:59.999Z",
            param_hint=option,
        ) from None
    if at < EPOCH:
        raise typer.BadParameter(f"{text} is before 1970", param_hint=option)
    return at


def check_accounts(names: Iterable[str]) -> None:
    """Raises typer.BadParameter: the chart has no such account."""
    for name in names:
        if WILDCARD in name:
            continue
        try:
            account_named(name)
        except UnknownAccount as problem:
            raise typer.BadParameter(
                f"{problem}; `escrow trial-balance` lists those in use",
                param_hint="ACCOUNTS",
            ) from problem


def check_currency(currency: str | None) -> None:
    """Raises typer.BadParameter."""
    if currency is not None and currency not in CURRENCIES:
        raise typer.BadParameter(f"there is no currency {currency!r}", param_hint="--currency")


@asynccontextmanager
async def open_books(
    tenant: str, end: datetime | None
) -> AsyncIterator[tuple[PoolConnectionProxy, bool]]:
    """A connection that sees the books at one moment, and whether what is before ``end`` is final:
    whether nothing can be booked there any more.
    """
    settings = load_settings(database_command_timeout_s=STATEMENT_TIMEOUT_S)
    async with pooled_database(settings, DatabaseRole.READER) as pool:
        # Asked first: what is final now is final in what is read after.
        final = end is not None and await is_final(pool, tenant, end - MOMENT)
        async with one_moment(pool) as connection:
            yield connection, final
