"""Balances as of any time: exact whatever is rolled up, and nothing comes in below a snapshot."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Union
from uuid import UUID

import asyncpg
import pytest

from service.domain import ids
from service.domain.errors import BooksClosed
from service.domain.journal import Part, Source
from service.domain.postings import JournalKind
from service.migrations import Connection
from service.store.balances import (
    AS_OF,
    CLOSE_FIRST,
    NEXT_XID,
    Balance,
    Closing,
    balances_as_of,
    close_books,
    find_due_closings,
    is_final,
    roll_up,
)
from service.store.checks.table import CHECKS
from service.store.commit import write
from service.store.pool import ServicePool
from tests.postgres import Database, connected
from tests.records import NOW, TENANT, later, new_unit
from tests.service.store.closed_books import close, roll_all_up

LEASE = timedelta(seconds=60)
STRIPE, FEES = "asset:stripe", "rev:platform_fee"
INSERT = """
WITH journal AS (
    INSERT INTO journals (tenant_id, journal_id, kind, source_type, source_id, currency,
        operation_id, event_at, created_at)
    VALUES ($1, $2, 'test', 'test', $2::uuid::text, $3, $2, $4, $4)
)
INSERT INTO entries (tenant_id, journal_id, line, book, account, currency, amount_minor)
VALUES ($1, $2, 1, 'platform', $5, $3, $6), ($1, $2, 2, 'platform', $7, $3, -$6::bigint)"""
WAITS = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
# The plain truth, without an index or a snapshot in mind.
SUM = """
SELECT account, currency, sum(amount_minor)::bigint FROM entries JOIN journals
    USING (tenant_id, journal_id, currency)
WHERE tenant_id = $1 AND account = ANY ($2) AND created_at <= $3
GROUP BY account, currency ORDER BY account, currency"""
MANY = """
WITH numbers AS (
    SELECT n, (lpad(to_hex($1::bigint + n), 12, '0') || '70008000000000000000')::uuid AS id
    FROM generate_series(1, 20000) AS n
), wrote AS (
    INSERT INTO journals
    SELECT 'default', id, 'test', 'test', n::text, 'USD', NULL, id, now(), now() FROM numbers
)
INSERT INTO entries SELECT 'default', id, line, 'platform',
    CASE line WHEN 1 THEN 'asset:stripe' ELSE 'rev:platform_fee' END, 'USD',
    CASE line WHEN 1 THEN 100 ELSE -100 END
FROM numbers, generate_series(1, 2) AS line"""

Writer = Union[Connection, ServicePool]  # noqa: UP007  Connection is a string when it runs


async def book(
    connection: Writer,
    at: datetime,
    amount_minor: int,
    *,
    accounts: tuple[str, str] = (STRIPE, FEES),
    currency: str = "USD",
    tenant: str = TENANT,
) -> UUID:
    """One journal of two entries, booked at this moment."""
    journal_id = ids.new_uuid(at)
    debit, credit = accounts
    await connection.execute(INSERT, tenant, journal_id, currency, at, debit, amount_minor, credit)
    return journal_id


async def snapshots(owner: Connection) -> list[tuple[str, int, int]]:
    rows = await owner.fetch(
        "SELECT account, balance_minor, entries FROM balance_snapshots ORDER BY account, through"
    )
    return [tuple(row) for row in rows]


@asynccontextmanager
async def open_transaction(database: Database) -> AsyncIterator[Connection]:
    """A connection of a worker in the middle of a transaction; it commits at the end."""
    async with connected(database.worker_dsn) as connection, connection.transaction():
        yield connection


# What is read.


async def test_a_balance_is_what_was_booked_up_to_the_moment(pool: ServicePool) -> None:
    for second, amount_minor in ((1, 100), (2, 20), (3, 3)):
        await book(pool, later(seconds=second), amount_minor)
    await book(pool, later(seconds=2), 777, tenant="neighbour")

    async def at_stripe(at: datetime | None) -> list[int]:
        return [b.balance_minor for b in await balances_as_of(pool, TENANT, [STRIPE], at)]

    assert await at_stripe(later(seconds=0.999)) == [0]
    assert await at_stripe(later(seconds=1)) == [100]
    assert await at_stripe(later(seconds=1.9)) == [100]
    assert await at_stripe(later(seconds=2)) == [120]  # the end of that moment
    assert await at_stripe(later(days=1)) == [123]
    assert await at_stripe(None) == [123]


async def test_accounts_come_in_order_with_every_currency_they_have(pool: ServicePool) -> None:
    for currency, amount_minor in (("USD", 5), ("EUR", 7), ("JPY", 9), ("EUR", 1)):
        await book(pool, NOW, amount_minor, currency=currency)

    accounts = [FEES, STRIPE, "asset:bank", STRIPE]
    everything = await balances_as_of(pool, TENANT, accounts)
    euros = await balances_as_of(pool, TENANT, accounts, currency="EUR")

    assert everything == [
        Balance(STRIPE, "EUR", 8),
        Balance(STRIPE, "JPY", 9),
        Balance(STRIPE, "USD", 5),
        Balance(FEES, "EUR", -8),
        Balance(FEES, "JPY", -9),
        Balance(FEES, "USD", -5),
    ]
    assert euros == [Balance(STRIPE, "EUR", 8), Balance(FEES, "EUR", -8)]


async def test_a_snapshot_is_taken_when_enough_has_gathered(
    pool: ServicePool, owner: Connection
) -> None:
    for second in range(1, 11):
        await book(pool, later(seconds=second), second)
    await book(pool, later(seconds=5), 1_000, accounts=("asset:bank", "eq:platform_capital"))

    steps = await roll_all_up(pool, await close(pool, later(seconds=8.5)), entries_apart=4)

    assert steps == 4  # of three journals each, and the end
    assert await snapshots(owner) == [
        (STRIPE, 1 + 2 + 3 + 4 + 5, 5),
        (FEES, -(1 + 2 + 3 + 4 + 5), 5),
    ]
    assert await is_final(pool, TENANT, later(seconds=8.4))
    assert not await is_final(pool, TENANT, later(seconds=8.6))
    for second in range(12):
        (found,) = await balances_as_of(pool, TENANT, [STRIPE], later(seconds=second))
        assert found.balance_minor == sum(range(1, min(second, 10) + 1))

    await roll_all_up(pool, await close(pool, later(seconds=20)), entries_apart=4)

    assert (STRIPE, 55, 10) in await snapshots(owner)


# Closed books.


async def test_nothing_is_booked_in_closed_books(pool: ServicePool, owner: Connection) -> None:
    await close(pool, later(seconds=60))
    late, neighbour, fresh = (
        new_unit(now=later(seconds=59)),
        new_unit(now=later(seconds=59), tenant_id="neighbour"),
        new_unit(now=later(seconds=61)),
    )
    part = Part({"milestone": "m", "payment": "p"}, {"amount": 5})
    for unit in (late, neighbour, fresh):
        source = Source("test", unit.operation_id.hex)
        unit.post(JournalKind.PAYMENT_UNEXPECTED, source, "USD", [part])

    with pytest.raises(BooksClosed, match="clock"):
        await write(pool, [late])
    await write(pool, [neighbour])
    await write(pool, [fresh])

    written = await owner.fetch("SELECT operation_id FROM operations ORDER BY tenant_id")
    assert [row[0] for row in written] == [fresh.operation_id, neighbour.operation_id]


async def test_entries_that_come_after_their_journal_are_refused_as_well(
    pool: ServicePool,
) -> None:
    journal_id = ids.new_uuid(NOW)
    await pool.execute(
        "INSERT INTO journals VALUES ($1, $2, 'test', 'test', 'x', 'USD', NULL, $2, $3, $3)",
        *(TENANT, journal_id, NOW),
    )
    await close(pool, later(seconds=1))

    with pytest.raises(asyncpg.CheckViolationError, match="the books are closed"):
        await pool.execute(
            "INSERT INTO entries VALUES ($1, $2, 1, 'platform', 'a', 'USD', 1),"
            " ($1, $2, 2, 'platform', 'b', 'USD', -1)",
            *(TENANT, journal_id),
        )


async def test_a_transaction_that_would_not_see_them_closed_books_nothing(
    database: Database,
) -> None:
    async with connected(database.service_dsn) as connection:
        for level in ("repeatable_read", "serializable"):
            with pytest.raises(asyncpg.CheckViolationError, match="READ COMMITTED only"):
                async with connection.transaction(isolation=level):
                    await book(connection, NOW, 1)


@pytest.mark.parametrize(
    "change",
    [
        "closed_through = '00000000-0000-0000-0000-000000000000'",
        "rolled_up_through = '00000000-0000-0000-0000-000000000000'",
        "tenant_id = 'other'",  # which no program may try
    ],
)
async def test_closed_books_are_never_opened(
    pool: ServicePool, owner: Connection, change: str
) -> None:
    await roll_all_up(pool, await close(pool, NOW))

    with pytest.raises(asyncpg.CheckViolationError, match="never opened again"):
        await owner.execute(f"UPDATE closings SET {change}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("DELETE FROM closings")
    with pytest.raises(asyncpg.CheckViolationError, match="closings_before_roll_up"):
        await pool.execute(
            "UPDATE closings SET rolled_up_through = $1", ids.new_uuid(later(days=1))
        )


async def test_the_service_cannot_change_a_snapshot(pool: ServicePool) -> None:
    for statement in (
        "UPDATE balance_snapshots SET balance_minor = 0",
        "DELETE FROM balance_snapshots",
        "TRUNCATE balance_snapshots",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)


# Who is late.


async def test_an_entry_written_before_the_closing_is_waited_for(
    pool: ServicePool, database: Database, owner: Connection
) -> None:
    async with open_transaction(database) as slow:
        async with slow.transaction():  # a savepoint: entries may have an xid of their own
            await book(slow, NOW, 5)
        await book(pool, NOW, 100)
        closing = await close(pool, later(seconds=1))

        assert await roll_up(pool, closing, entries_apart=1, most_journals=99) is None
        assert await snapshots(owner) == []
        assert not await is_final(pool, TENANT, NOW)

    await roll_all_up(pool, closing)
    assert (STRIPE, 105, 2) in await snapshots(owner)


async def test_an_entry_written_while_the_books_were_being_closed_is_waited_for(
    pool: ServicePool, database: Database, owner: Connection
) -> None:
    """Its xid is above the closing's, and the last that has ended is the closing's."""
    through = ids.new_uuid(later(seconds=1))
    async with open_transaction(database) as slow:
        async with open_transaction(database) as closer:
            await closer.fetchval(CLOSE_FIRST, TENANT, through, LEASE)
            await book(slow, NOW, 5)  # it cannot see them closed
        closing = Closing(TENANT, through, await pool.fetchval(NEXT_XID, TENANT))

        assert await roll_up(pool, closing, entries_apart=1, most_journals=99) is None

    await roll_all_up(pool, closing)
    assert (STRIPE, 5, 1) in await snapshots(owner)


async def test_a_transaction_as_old_as_you_like_finds_the_books_closed(
    pool: ServicePool, database: Database
) -> None:
    """It began before they were closed, and has no xid yet: nothing can wait for it."""
    async with connected(database.service_dsn) as slow:
        transaction = slow.transaction()
        await transaction.start()
        await slow.fetchval("SELECT count(*) FROM entries")
        closing = await close(pool, later(seconds=1))
        await roll_all_up(pool, closing)

        with pytest.raises(asyncpg.CheckViolationError, match="the books are closed"):
            await book(slow, NOW, 5)
        await transaction.rollback()


async def test_a_statement_that_is_under_way_finds_the_books_closed(
    pool: ServicePool, database: Database, owner: Connection
) -> None:
    """Its snapshot is from before, and it stands still between that and its first entry."""
    held = "liab:payee:pye_1:payable"
    await owner.execute("INSERT INTO balances VALUES ($1, $2, 'USD', 1)", TENANT, held)
    statement = INSERT.replace("WITH ", "WITH held AS (UPDATE balances SET balance_minor = 2), ")
    arguments = (TENANT, ids.new_uuid(NOW), "USD", NOW, STRIPE, 5, FEES)
    async with connected(database.service_dsn) as slow:
        async with owner.transaction():
            await owner.execute("SELECT FROM balances FOR UPDATE")
            under_way = asyncio.create_task(slow.execute(statement, *arguments))
            while not await owner.fetchval(WAITS, slow.get_server_pid()):  # noqa: ASYNC110  in PostgreSQL
                await asyncio.sleep(0.005)
            closing = await close(pool, later(seconds=1))
        with pytest.raises(asyncpg.CheckViolationError, match="the books are closed"):
            await under_way
    await roll_all_up(pool, closing)
    assert await balances_as_of(pool, TENANT, [STRIPE]) == []


# Who closes them.


async def test_one_of_many_closes_what_is_due(pools: list[ServicePool]) -> None:
    async def race() -> list[Closing]:
        tries = (
            close_books(pools[n % 2], TENANT, later(seconds=n), lease=LEASE) for n in range(10)
        )
        return [closing for closing in await asyncio.gather(*tries) if closing]

    due = await find_due_closings(pools[0], {TENANT, "neighbour"}, limit=5)
    assert sorted(each.tenant_id for each in due) == [TENANT, "neighbour"]
    assert len(await race()) == 1
    (left,) = await find_due_closings(pools[0], {TENANT, "neighbour"}, limit=5)
    assert left.tenant_id == "neighbour"
    assert await race() == []


async def test_a_closing_that_was_overtaken_is_nobodys(pool: ServicePool) -> None:
    await book(pool, NOW, 5)
    first = await close(pool, later(seconds=1))
    second = await close(pool, later(seconds=2))

    assert await roll_up(pool, first, entries_apart=1, most_journals=99) is None
    await roll_all_up(pool, second)


async def test_a_clock_that_goes_back_opens_nothing(pool: ServicePool) -> None:
    first = await close(pool, later(seconds=60))
    second = await close(pool, NOW)

    assert second.through == first.through


async def test_a_closing_that_the_database_forgot_is_not_rolled_up(
    pool: ServicePool, owner: Connection
) -> None:
    """A standby took over that had not heard of it, or a backup was restored."""
    before = await close(pool, NOW)
    closing = await close(pool, later(seconds=60))
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        await owner.execute("UPDATE closings SET closed_through = $1", before.through)

    assert await roll_up(pool, closing, entries_apart=1, most_journals=99) is None


# All of it at random.


@dataclass
class Bookkeeper:
    """Books at random, closes, rolls up, and keeps transactions open meanwhile."""

    random: Random
    pool: ServicePool
    late: list[Connection]
    now: datetime = NOW
    open: dict[Connection, Any] = field(default_factory=dict)
    closings: list[Closing] = field(default_factory=list)
    refused: int = 0
    accounts: tuple[str, ...] = (STRIPE, FEES, "liab:payee:pye_1:payable", "exp:processing")

    async def step(self) -> None:
        self.now += timedelta(milliseconds=self.random.choice([0, 1, 700]))
        doings = [self.book, self.book, self.book, self.begin, self.book_late, self.commit_late]
        await self.random.choice([*doings, self.close, self.roll_up, self.roll_up])()

    async def book(self, connection: Writer | None = None) -> None:
        """Sometimes by a clock that is behind."""
        behind = timedelta(milliseconds=self.random.choice([0, 0, 1, 500, 3_000]))
        debit, credit = self.random.sample(self.accounts, 2)
        amount_minor = self.random.randint(1, 10_000)
        currency = self.random.choice(["USD", "EUR"])
        try:
            await book(
                connection or self.pool,
                self.now - behind,
                amount_minor,
                accounts=(debit, credit),
                currency=currency,
            )
        except asyncpg.CheckViolationError as error:
            if error.constraint_name != "entries_in_open_books":
                raise
            self.refused += 1

    async def begin(self) -> None:
        idle = [connection for connection in self.late if connection not in self.open]
        if idle:
            connection = self.random.choice(idle)
            self.open[connection] = connection.transaction()
            await self.open[connection].start()
            if self.random.random() < 0.5:
                await self.book_late()

    async def book_late(self) -> None:
        if self.open:
            connection = self.random.choice(list(self.open))
            async with connection.transaction():  # what is refused leaves the rest alone
                savepoint = connection.transaction()
                await savepoint.start()
                refused = self.refused
                await self.book(connection)
                await (savepoint.rollback() if self.refused > refused else savepoint.commit())

    async def commit_late(self) -> None:
        if self.open:
            connection = self.random.choice(list(self.open))
            transaction = self.open.pop(connection)
            await (transaction.commit() if self.random.random() < 0.8 else transaction.rollback())

    async def close(self) -> None:
        behind = timedelta(milliseconds=self.random.choice([0, 1, 1_000]))
        self.closings.append(await close(self.pool, self.now - behind))

    async def roll_up(self) -> None:
        if self.closings:
            closing = self.random.choice(self.closings[-2:])
            await roll_up(
                self.pool,
                closing,
                entries_apart=self.random.choice([1, 3, 8]),
                most_journals=self.random.choice([1, 5, 50]),
            )

    def moment(self) -> datetime:
        """Any time so far, to the millisecond."""
        return NOW + timedelta(
            milliseconds=self.random.randint(-1_000, int((self.now - NOW).total_seconds() * 1000))
        )


@pytest.mark.parametrize("seed", range(20))
async def test_at_any_time_it_is_the_plain_sum(
    pool: ServicePool, database: Database, owner: Connection, seed: int
) -> None:
    async with connected(database.service_dsn) as one, connected(database.service_dsn) as other:
        keeper = Bookkeeper(Random(seed), pool, [one, other])
        final: dict[datetime, list[Balance]] = {}
        for _ in range(150):
            await keeper.step()
            at = keeper.moment()
            found = await balances_as_of(pool, TENANT, keeper.accounts, at)
            plain = await owner.fetch(SUM, TENANT, list(keeper.accounts), at)
            assert [b for b in found if b.balance_minor] == [tuple(r) for r in plain if r[2]]
            if await is_final(pool, TENANT, at):
                final[at] = await balances_as_of(pool, TENANT, keeper.accounts, at)
        for transaction in keeper.open.values():
            await transaction.commit()
    await roll_all_up(pool, await close(pool, later(days=1)))

    for at, then in final.items():  # what was final has stayed as it was
        now = await balances_as_of(pool, TENANT, keeper.accounts, at)
        assert [b for b in now if b.balance_minor] == [b for b in then if b.balance_minor]
    assert await snapshots(owner)
    (check,) = [check for check in CHECKS if check.name == "snapshots"]
    assert await owner.fetch(check.breaches) == []


# However many there are.


async def test_it_reads_a_snapshot_and_the_few_entries_beyond_it(
    pool: ServicePool, owner: Connection
) -> None:
    await owner.execute(MANY, int(NOW.timestamp() * 1000))
    closing = await close(pool, later(seconds=60))
    await roll_all_up(pool, closing, entries_apart=256, most_journals=1_000)
    await owner.execute("VACUUM ANALYZE entries, balance_snapshots")

    explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {AS_OF}"
    at = later(seconds=10.5)  # in the middle of twenty seconds
    plan = json.loads(
        await pool.fetchval(explained, TENANT, [STRIPE, FEES], ids.last_uuid(at), None)
    )[0]["Plan"]

    found = await balances_as_of(pool, TENANT, [STRIPE, FEES], at)
    assert found == [Balance(STRIPE, "USD", 10_500_00), Balance(FEES, "USD", -10_500_00)]
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "entries"]
    assert {node["Node Type"] for node in scans} == {"Index Only Scan"}
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) < 2 * 1_000 + 10


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes(child))]
