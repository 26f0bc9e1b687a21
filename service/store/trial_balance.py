"""The trial balance: what every account came to before a period, what moved in it, and after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from service.domain.accounts import ID_PATTERN
from service.store.balances import FIRST, LAST
from service.store.books import Connection

_OF_ACCOUNT = """\
WITH of_account AS (
    SELECT e.book, e.account, e.currency,
        coalesce(sum(e.amount_minor) FILTER (WHERE e.journal_id <= $2), 0) AS opening_minor,
        coalesce(sum(e.amount_minor)
            FILTER (WHERE e.journal_id > $2 AND e.amount_minor > 0), 0) AS debit_minor,
        coalesce(-sum(e.amount_minor)
            FILTER (WHERE e.journal_id > $2 AND e.amount_minor < 0), 0) AS credit_minor
    FROM entries AS e
    WHERE e.tenant_id = $1 AND e.journal_id < $3 AND ($4::text IS NULL OR e.currency = $4)
    GROUP BY e.book, e.account, e.currency
)"""
BY_ACCOUNT = f"""\
{_OF_ACCOUNT}
SELECT book, account, currency, opening_minor, debit_minor, credit_minor FROM of_account
ORDER BY book DESC, currency, account"""
# The accounts of one row of the chart together: those of all milestones, of all payees ...
BY_KIND = f"""\
{_OF_ACCOUNT}
SELECT book, regexp_replace(account, '{ID_PATTERN}', '*') AS accounts, currency,
    sum(opening_minor), sum(debit_minor), sum(credit_minor)
FROM of_account
GROUP BY book, accounts, currency
ORDER BY book DESC, currency, accounts"""


class Turnover(NamedTuple):
    """An account, or all of a kind, in a period, in minor units; the balances are positive on the
    debit side.
    """

    book: str
    account: str
    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int

    @property
    def closing_minor(self) -> int:
        return self.opening_minor + self.debit_minor - self.credit_minor


async def trial_balance(
    connection: Connection,
    tenant_id: str,
    *,
    after: UUID = FIRST,
    before: UUID = LAST,
    currency: str | None = None,
) -> list[Turnover]:
    """The accounts of a kind together. ``after`` and ``before`` are ids of journals between which
    the period is. Reads every entry up to its end.
    """
    return [
        _line(row) for row in await connection.fetch(BY_KIND, tenant_id, after, before, currency)
    ]


async def trial_balance_by_account(
    connection: PoolConnectionProxy,
    tenant_id: str,
    *,
    after: UUID = FIRST,
    before: UUID = LAST,
    currency: str | None = None,
) -> AsyncIterator[Turnover]:
    """The same of each account: as many as there are milestones and payees, and so read one after
    the other, in a transaction.
    """
    arguments = tenant_id, after, before, currency
    async for row in connection.cursor(BY_ACCOUNT, *arguments, prefetch=500):
        yield _line(row)


def _line(row: asyncpg.Record) -> Turnover:
    return Turnover(row[0], row[1], row[2], int(row[3]), int(row[4]), int(row[5]))
