"""The one place where anything is written: a unit of work becomes one statement, all or nothing.

The arrays of its fragments (fragments.py) hold the rows of one unit, or of many that are committed
at the same time and share it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, TypeAlias, cast

import asyncpg

from service.domain.errors import (
    AlreadyExists,
    BooksClosed,
    BooksRefused,
    DatabaseUnavailable,
    Refusal,
)
from service.domain.records.deadline import Deadline
from service.domain.unit import UnitOfWork
from service.store.fragments import COUNTED, ORDER, commit_statement
from service.store.lane import Lane, halves
from service.store.pool import ServicePool
from service.store.rows import key_of, to_row
from service.store.tables import TABLES
from service.store.tracing import COMMITS, record_commit, record_split, record_statement

Rows: TypeAlias = defaultdict[str, list[tuple[Any, ...]]]
"""What is written, by table."""


class Overtaken(Exception):
    """Another writer was first: nothing was written, and the operation has to be run again."""


class StripeObjectTaken(AlreadyExists):
    """Another record of ours has this object of Stripe."""


# What the schema refuses, in the words of the domain. Everything not named here is a bug.
REFUSALS: dict[str, type[Refusal]] = {
    "balances_not_negative": BooksRefused,
    "payers_reference": AlreadyExists,
    "payees_reference": AlreadyExists,
    "payments_stripe_payment_intent": StripeObjectTaken,
    "payments_stripe_charge": StripeObjectTaken,
    "payees_stripe_account": StripeObjectTaken,
    "refunds_by_stripe_refund": StripeObjectTaken,
    "balance_transactions_pkey": StripeObjectTaken,
    "entries_in_open_books": BooksClosed,
}
# Two writers met: one request sent twice, one fact reported twice, one aggregate changed twice.
CONFLICTS = frozenset(
    {
        "operations_key",
        "operations_timeline",
        "journals_source",
        "policies_pkey",
        "approvals_request",
        "chargebacks_by_dispute",
    }
)
_SHARD = re.compile(r"_\d+$")  # no constraint of ours ends so: a test looks at all of them
CHANGED_SINCE_READ = "ES001"  # raised by expect_rows()

_TABLE_OF = {table.record: table for table in TABLES}
_IN_ORDER = frozenset({table.name for table in TABLES} | {"removed_deadlines"})


def _add_rows(unit: UnitOfWork, rows: Rows) -> None:
    """Adds everything that a unit writes."""
    tenant_id = unit.call.tenant_id
    rows["operations"].append(_operation_row(unit))
    for record in unit.records.values():
        table = _TABLE_OF[type(record)]
        rows[table.name].append(to_row(table.record)(record))
    for deadline in unit.removed:
        key = deadline.tenant_id, deadline.escrow_id, deadline.deadline_id
        rows["removed_deadlines"].append(key)
    for journal in unit.journals:
        journal_id = journal.journal_id
        rows["journals"].append(
            (
                tenant_id,
                journal_id,
                journal.kind,
                journal.source.type,
                journal.source.id,
                journal.currency,
                journal.escrow_id,
                unit.operation_id,
                journal.event_at,
                unit.now,
            )
        )
        rows["entries"].extend(
            (
                tenant_id,
                journal_id,
                line,
                entry.book,
                entry.account,
                entry.currency,
                entry.amount_minor,
            )
            for line, entry in enumerate(journal.entries, start=1)
        )
    if changes := unit.balance_changes():
        rows["balances"].extend(
            (tenant_id, account, currency, change_minor)
            for (account, currency), change_minor in changes.items()
        )
    if end := unit.event_end:
        rows["event_ends"].append((tenant_id, end.event_id, end.state, end.reason, unit.now))
    if repair := unit.event_repair:
        change = repair.event_id, repair.before, repair.after, repair.reason, repair.due_at
        rows["event_repairs"].append((tenant_id, *change))
    if unit.beside:
        _add_rows(unit.beside, rows)


def _operation_row(unit: UnitOfWork) -> tuple[Any, ...]:
    call, escrow = unit.call, unit.escrow
    return (
        call.tenant_id,
        unit.operation_id,
        unit.operation,
        call.caller,
        call.party,
        call.key,
        unit.request_hash,
        unit.response,
        escrow.escrow_id if escrow else None,
        escrow.version if escrow else None,
        [[t.subject, t.before, t.after] for t in unit.transitions],
        unit.note_and_reason,
        call.trace_id,
        unit.now,
    )


class Commits:
    """Commits the units of concurrent requests together, while they touch different things.

    When a shared commit is refused, its halves are committed by themselves, and theirs, until the
    unit at fault is alone: no unit is refused for another's fault. Operations do not know.
    """

    def __init__(self, pool: ServicePool) -> None:
        self._pool = pool
        self._lanes: dict[str, Lane[UnitOfWork, None]] = {}

    async def commit(self, unit: UnitOfWork) -> None:
        """Writes the unit, all or nothing.

        Raises:
            Overtaken: something it was decided on has changed; run the operation again.
            Refusal: the schema refuses it (see ``REFUSALS``).
            DatabaseUnavailable: it is not known whether it was written; the same key asked again
                finds out.
        """
        # On a cluster a shared commit is of one tenant, and so one transaction on one node.
        name = unit.call.tenant_id if self._pool.engine.per_tenant else ""
        lane = self._lanes.get(name)
        if lane is None:
            lane = Lane(self._commit_batch, batches=COMMITS, keys_of=_touched)
            self._lanes[name] = lane
        await lane.join(unit)

    async def _commit_batch(self, units: Sequence[UnitOfWork]) -> list[Exception | None]:
        results = await self._write_batch(units)
        record_commit(
            units=len(units),
            conflicts=sum(isinstance(result, Overtaken) for result in results),
            refused=sum(result is not None for result in results),
        )
        return results

    async def _write_batch(self, units: Sequence[UnitOfWork]) -> list[Exception | None]:
        try:
            await write(self._pool, units)
        except DatabaseUnavailable as outage:
            return [outage] * len(units)
        except Exception as error:  # noqa: BLE001  each unit gets its own result
            if len(units) == 1:
                return [error]
            record_split()
            first, second = halves(units)
            return [*await self._write_batch(first), *await self._write_batch(second)]
        return [None] * len(units)


def _touched(unit: UnitOfWork) -> Iterable[Hashable]:
    """What no other unit of the same statement may touch: its key, its rows, its facts."""
    call = unit.call
    yield call.tenant_id, call.caller, unit.operation, call.key
    for record in unit.records.values():
        yield type(record), *key_of(cast(Hashable, type(record)))(record)
    for deadline in unit.removed:
        yield Deadline, *key_of(Deadline)(deadline)
    for journal in unit.journals:
        yield call.tenant_id, journal.source, journal.kind
    if unit.beside:
        yield from _touched(unit.beside)


async def write(pool: asyncpg.Pool, units: Sequence[UnitOfWork]) -> None:
    """Writes units that touch different things in one statement, all or nothing.

    Raises:
        As ``Commits.commit``, for all of them together.
    """
    rows: Rows = defaultdict(list)
    for unit in units:
        _add_rows(unit, rows)
    _put_in_order(rows)
    record_statement(len(units), rows)
    written = tuple(name for name in ORDER if name in rows)
    counts = [len(rows[name]) for name in written if name in COUNTED]
    arguments: Sequence[Any] = [*(rows[name] for name in written), *counts]
    try:
        await pool.fetchval(commit_statement(written), *arguments)
    except asyncpg.PostgresError as error:
        raise in_words(error) from error


def _tenant_and_id(row: tuple[Any, ...]) -> tuple[str, int | str]:
    """What the rows of all of them begin with: an id is a UUID of ours, or Stripe's own."""
    return row[0], getattr(row[1], "int", row[1])


def _put_in_order(rows: Rows) -> None:
    """Each balance changed once, and rows in the order of their ids, in which every process locks
    them, so that none waits in a circle.
    """
    if "balances" in rows:
        rows["balances"] = _summed(rows["balances"])
    for name in rows.keys() & _IN_ORDER:
        rows[name].sort(key=_tenant_and_id)


def _summed(changes: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """One change a balance."""
    sums: dict[tuple[str, str, str], int] = {}
    for tenant_id, account, currency, change_minor in changes:
        key = tenant_id, account, currency
        sums[key] = sums.get(key, 0) + change_minor
    return [(*key, change_minor) for key, change_minor in sorted(sums.items())]


def _without_shard(constraint: str | None) -> str | None:
    """The name as the migrations gave it: a distributed database adds the number of the shard."""
    return constraint and _SHARD.sub("", constraint)


def in_words(error: asyncpg.PostgresError) -> Exception:
    """What a database error means; the error itself when it is a bug."""
    constraint = _without_shard(getattr(error, "constraint_name", None))
    if error.sqlstate == CHANGED_SINCE_READ or constraint in CONFLICTS:
        return Overtaken(str(error))
    if isinstance(error, asyncpg.SerializationError | asyncpg.DeadlockDetectedError):
        return Overtaken(str(error))
    if constraint in REFUSALS:
        return REFUSALS[constraint]()
    return error
