"""Proves the books: replays every journal against the table of postings, compares every balance
with its entries and every record with the books, and checks every invariant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from service.domain.accounts import Account, UnknownAccount, account_named
from service.domain.postings import POSTINGS, JournalKind
from service.store.books import BALANCES, JOURNALS, one_moment
from service.store.checks.check import Check, as_json
from service.store.checks.table import CHECKS
from service.store.checks.waiting import WAITING

MOST_ROWS = 50  # of one check's breaches, in a report


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: how many rows it looked at, and those for which it does not hold."""

    name: str
    says: str
    examined: int
    breaches: list[dict[str, Any]]


@dataclass(slots=True)
class Report:
    """What was checked at one moment. ``waiting`` is no breach: {what: (how many, since when)}."""

    checks: list[CheckResult] = field(default_factory=list)
    waiting: dict[str, tuple[int, str | None]] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        return not any(check.breaches for check in self.checks)


async def verify_books(pool: asyncpg.Pool) -> Report:
    """Checks the books of all tenants as they are at one moment; changes nothing."""
    report = Report()
    async with one_moment(pool) as connection:
        report.checks += await _replay(connection)
        for check in CHECKS:
            report.checks.append(await _run(connection, check))
        for what, statement in WAITING.items():
            told = json.loads(await connection.fetchval(as_json(statement, "count", "since")))
            report.waiting[what] = (told["count"], told["since"])
    return report


async def _run(connection: PoolConnectionProxy, check: Check) -> CheckResult:
    """What stops a check is a breach of it, and stops no other: a sum that is too large, say."""
    examined = 0
    try:
        async with connection.transaction():
            examined = await connection.fetchval(check.examined)
            rows = await connection.fetch(f"{as_json(check.breaches)}\nLIMIT {MOST_ROWS}")
    except asyncpg.DataError as error:
        return CheckResult(
            check.name, check.says, examined, [{"problem": f"cannot be checked: {error}"}]
        )
    return CheckResult(check.name, check.says, examined, [json.loads(row[0]) for row in rows])


async def _replay(connection: PoolConnectionProxy) -> list[CheckResult]:
    """Every journal follows its line of the table, and the balances are what they add up to."""
    sums: dict[tuple[str, str, str], int] = {}
    strange: list[dict[str, Any]] = []
    journals = 0
    async for row in connection.cursor(JOURNALS, prefetch=500):
        journals += 1
        problem = _problem(row["kind"], row["currency"], row["entries"])
        if problem and len(strange) < MOST_ROWS:
            strange.append(
                {
                    "tenant_id": row["tenant_id"],
                    "journal_id": row["journal_id"],
                    "kind": row["kind"],
                    "source": f"{row['source_type']} {row['source_id']}",
                    "problem": problem,
                }
            )
        for _, name, currency, amount_minor in row["entries"]:
            account = _find_account(name)
            if account is not None and account.tracked:
                key = (row["tenant_id"], name, currency)
                sums[key] = sums.get(key, 0) + amount_minor * account.normal
    postings = CheckResult(
        "postings", "every journal is a line of the table of postings", journals, strange
    )
    return [postings, await _compare_balances(connection, sums)]


async def _compare_balances(
    connection: PoolConnectionProxy, sums: Mapping[tuple[str, str, str], int]
) -> CheckResult:
    stored = {(r[0], r[1], r[2]): r[3] for r in await connection.fetch(BALANCES)}
    breaches = [
        {
            "tenant_id": key[0],
            "account": key[1],
            "currency": key[2],
            "balance_minor": stored.get(key),
            "entries_minor": sums.get(key),
        }
        for key in sorted(sums.keys() | stored.keys())
        if stored.get(key) != sums.get(key)
    ]
    says = "every balance is the sum of its account's entries"
    return CheckResult("balances", says, len(stored), breaches[:MOST_ROWS])


def _problem(kind: str, currency: str, entries: list[tuple[str, str, str, int]]) -> str:
    """What is wrong with a journal; empty when it follows its line of the table."""
    if kind not in JournalKind.__members__.values():
        return "there is no such posting"
    if not entries:
        return "it has no entries"
    posting = POSTINGS[JournalKind(kind)]
    for book, name, of_currency, amount_minor in entries:
        account = _find_account(name)
        settled = of_currency != currency
        if settled and not posting.converts:
            return f"{name} is in {of_currency}"
        if account is not None and book != account.book:
            return f"{name} stands in book {book}"
        legs = posting.debit if amount_minor > 0 else posting.credit
        fitting = [leg for leg in legs if leg.settled is settled]
        if account is None or all(leg.account.shape != account.shape for leg in fitting):
            side = "debit" if amount_minor > 0 else "credit"
            return f"posting {posting.number} does not {side} {name}"
    return ""


def _find_account(name: str) -> Account | None:
    """The account's row of the chart; None when there is none, as in no posting."""
    try:
        return account_named(name)
    except UnknownAccount:
        return None
