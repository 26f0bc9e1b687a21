"""The invariants of ledger.md section 3 that the schema holds, attacked by raw SQL.

As the service's role, which is what a bug or an intruder in the service could do; and as the owner
where a rule holds for everybody.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from service.migrations import Connection
from service.store.sequence import seal_operations
from tests.postgres import Database, Server, connected, migrated_database
from tests.records import NOW, TENANT, Deal, fund_deal, new_id
from tests.service.store.pools import service_pool

APPEND_ONLY = ("journals", "entries", "operations", "line_items", "positions")
JOURNAL = """
INSERT INTO journals
VALUES ($1, $2, $3, 'test', $4, 'USD', NULL, $5, $6, $6)"""
ENTRY = """
INSERT INTO entries
SELECT $1, e.* FROM unnest(
    $2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::bigint[]
) AS e"""
TAKE_OVER = """
INSERT INTO {table} SELECT * FROM {table}
ON CONFLICT ON CONSTRAINT {table}_pkey DO UPDATE SET tenant_id = 'other'"""

Line = tuple[UUID, str, str, int]  # journal, book, currency, amount


@pytest.fixture(scope="module")
async def attacked(
    postgres_server: Server, template_database: str
) -> AsyncIterator[tuple[Database, Deal]]:
    """A database with a funded escrow, so that every table of the books has rows to attack."""
    async with (
        migrated_database(postgres_server, template_database) as database,
        service_pool(database, size=1) as pool,
    ):
        deal = await fund_deal(pool)
        await seal_operations(pool, TENANT, most=100)
        yield database, deal


@pytest.fixture
async def service(attacked: tuple[Database, Deal]) -> AsyncIterator[Connection]:
    """A bare connection of the service's login. What a test does is rolled back."""
    async with rolled_back(attacked[0].service_dsn) as connection:
        yield connection


@pytest.fixture
async def schema_owner(attacked: tuple[Database, Deal]) -> AsyncIterator[Connection]:
    """The same as the owner of the schema."""
    async with rolled_back(attacked[0].owner_dsn) as connection:
        yield connection


@asynccontextmanager
async def rolled_back(dsn: str) -> AsyncIterator[Connection]:
    async with connected(dsn) as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await transaction.rollback()


@asynccontextmanager
async def refused(
    connection: Connection, error: type[asyncpg.PostgresError], match: str | None = None
) -> AsyncIterator[None]:
    """The block is refused by this error; the transaction goes on as if it had not been tried."""
    with pytest.raises(error, match=match):
        async with connection.transaction():
            yield


async def add_journal(connection: Connection, *, source: str = "", kind: str = "test") -> UUID:
    journal_id = new_id()
    source_id = source or journal_id.hex
    await connection.execute(JOURNAL, TENANT, journal_id, kind, source_id, new_id(), NOW)
    return journal_id


async def add_entries(connection: Connection, lines: list[Line], *, first_line: int = 1) -> None:
    journals = [journal_id for journal_id, *_ in lines]
    columns: list[list[Any]] = [
        journals,
        [first_line + journals[:at].count(journal_id) for at, journal_id in enumerate(journals)],
        [book for _, book, *_ in lines],
        [f"account {number}" for number in range(len(lines))],
        [currency for *_, currency, _ in lines],
        [amount for *_, amount in lines],
    ]
    await connection.execute(ENTRY, TENANT, *columns)


# I1: the entries of a journal sum to zero per currency, in every book.

UNBALANCED: dict[str, list[tuple[int, str, str, int]]] = {
    "one line": [(0, "platform", "USD", 1)],
    "off by one": [(0, "platform", "USD", 100), (0, "platform", "USD", -99)],
    "two debits": [(0, "platform", "USD", 50), (0, "platform", "USD", 50)],
    "balanced over two books": [(0, "platform", "USD", 100), (0, "connected", "USD", -100)],
    "balanced over two currencies": [(0, "platform", "USD", 100), (0, "platform", "EUR", -100)],
    "balanced over two journals": [(0, "platform", "USD", 100), (1, "platform", "USD", -100)],
    "one journal of two": [
        (0, "platform", "USD", 100),
        (0, "platform", "USD", -100),
        (1, "platform", "USD", 1),
    ],
    "one book of two": [
        (0, "platform", "USD", 100),
        (0, "platform", "USD", -100),
        (0, "connected", "USD", 1),
    ],
}


@pytest.mark.parametrize("what", UNBALANCED)
async def test_i1_unbalanced_entries_are_refused(service: Connection, what: str) -> None:
    journals = [await add_journal(service), await add_journal(service)]
    lines = [
        (journals[journal], book, currency, amount)
        for journal, book, currency, amount in UNBALANCED[what]
    ]

    async with refused(service, asyncpg.CheckViolationError, "come together and sum to zero"):
        await add_entries(service, lines)

    assert await service.fetchval("SELECT count(*) FROM entries WHERE account ~ '^account'") == 0


async def test_i9_nothing_is_added_to_a_journal_later(service: Connection) -> None:
    journal_id = await add_journal(service)
    await add_entries(service, [(journal_id, "platform", "USD", s) for s in (1, -1)])

    async with refused(service, asyncpg.CheckViolationError, "come together and sum to zero"):
        await add_entries(
            service, [(journal_id, "platform", "USD", s) for s in (1, -1)], first_line=3
        )


async def test_i1_what_balances_everywhere_is_taken(service: Connection) -> None:
    first, second = await add_journal(service), await add_journal(service)
    lines = [
        (journal, book, currency, sign * 100)
        for journal in (first, second)
        for book in ("platform", "connected")
        for currency in ("USD", "EUR")
        for sign in (1, -1)
    ]

    await add_entries(service, lines)

    assert await service.fetchval("SELECT count(*) FROM entries WHERE account ~ '^account'") == 16


async def test_i1_a_line_of_nothing_is_refused(service: Connection) -> None:
    journal_id = await add_journal(service)

    async with refused(service, asyncpg.CheckViolationError, "entries_not_zero"):
        await add_entries(service, [(journal_id, "platform", "USD", 0)])


async def test_i1_entries_need_their_journal(service: Connection) -> None:
    orphan = new_id()

    async with refused(service, asyncpg.ForeignKeyViolationError, "entries_journal"):
        await add_entries(
            service, [(orphan, "platform", "USD", 1), (orphan, "platform", "USD", -1)]
        )


@pytest.mark.parametrize(
    "attempt",
    [
        "ALTER TABLE entries DISABLE TRIGGER entries_sum_to_zero",
        "DROP TRIGGER entries_sum_to_zero ON entries",
        "SET session_replication_role = replica",
        "ALTER TABLE balances DROP CONSTRAINT balances_not_negative",
        "DROP FUNCTION refuse_unbalanced_entries CASCADE",
    ],
)
async def test_the_service_cannot_switch_a_rule_off(service: Connection, attempt: str) -> None:
    async with refused(service, asyncpg.InsufficientPrivilegeError):
        await service.execute(attempt)


# I3: no liability account is ever below zero.


async def test_i3_a_balance_cannot_go_below_zero(
    service: Connection, attacked: tuple[Database, Deal]
) -> None:
    held = attacked[1].held
    take = "UPDATE balances SET balance_minor = balance_minor - $2 WHERE account = $1"

    async with refused(service, asyncpg.CheckViolationError, "balances_not_negative"):
        await service.execute(take, held, 100_01)
    async with refused(service, asyncpg.CheckViolationError, "balances_not_negative"):
        await service.execute("INSERT INTO balances VALUES ($1, 'liab:x', 'USD', -1)", TENANT)
    await service.execute(take, held, 100_00)


# I5 and I6: what is frozen is held, and what is held is spent once. The escrow holds 10000.


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("frozen_minor = 10001", "milestones_frozen_is_held"),
        ("frozen_minor = -1", "milestones_frozen_is_held"),
        ("released_minor = 6000, frozen_minor = 4001", "milestones_frozen_is_held"),
        ("refunded_minor = 6000, frozen_minor = 4001", "milestones_frozen_is_held"),
        ("lost_minor = 6000, frozen_minor = 4001", "milestones_frozen_is_held"),
        ("amount_minor = 20000, funded_minor = 20001", "milestones_never_overfunded"),
        ("amount_minor = 0", "milestones_amount_positive"),
        ("payer_fee_minor = -1", "milestones_fees"),
        ("payee_fee_minor = -1", "milestones_fees"),
        ("payee_fee_minor = 10001", "milestones_fees"),
    ],
)
async def test_i5_a_milestone_freezes_and_funds_what_is_there(
    service: Connection, change: str, constraint: str
) -> None:
    async with refused(service, asyncpg.CheckViolationError, constraint):
        await service.execute(f"UPDATE milestones SET {change}")


@pytest.mark.parametrize(
    "change",
    [
        "released_minor = 10001",
        "refunded_minor = 10001",
        "lost_minor = 10001",
        "released_minor = 4000, refunded_minor = 6001",
        "released_minor = 3000, refunded_minor = 3000, lost_minor = 4001",
        "released_minor = 10001, lost_minor = -1",
        "released_minor = -1",
        "refunded_minor = -1",
        "funded_minor = 0, released_minor = 1",
    ],
)
async def test_i6_a_milestone_spends_what_it_got_once(
    schema_owner: Connection, change: str
) -> None:
    # It would refuse most of these first: whoever spends too much holds too little.
    await schema_owner.execute("ALTER TABLE milestones DROP CONSTRAINT milestones_frozen_is_held")

    async with refused(schema_owner, asyncpg.CheckViolationError, "milestones_spent_once"):
        await schema_owner.execute(f"UPDATE milestones SET {change}")


async def test_i5_what_is_not_frozen_still_moves(service: Connection) -> None:
    await service.execute("UPDATE milestones SET frozen_minor = 4000, released_minor = 6000")
    await service.execute("UPDATE milestones SET frozen_minor = 0, released_minor = 10000")


# I7: one journal per (source type, source id, kind).


async def test_i7_a_fact_is_booked_once(service: Connection) -> None:
    await add_journal(service, source="txn_1", kind="charge_settled")

    async with refused(service, asyncpg.UniqueViolationError, "journals_source"):
        await add_journal(service, source="txn_1", kind="charge_settled")
    await add_journal(service, source="txn_1", kind="another_kind")
    await add_journal(service, source="txn_2", kind="charge_settled")


# I9: the books are append-only for the service.


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE {table} SET tenant_id = tenant_id",
        "DELETE FROM {table}",
        "TRUNCATE {table} CASCADE",
        TAKE_OVER,
        "SELECT * FROM {table} FOR UPDATE",
        "ALTER TABLE {table} OWNER TO CURRENT_USER",
    ],
)
async def test_i9_what_was_booked_stays(service: Connection, table: str, attempt: str) -> None:
    before = await service.fetch(f"SELECT * FROM {table}")
    assert before

    async with refused(service, asyncpg.InsufficientPrivilegeError):
        await service.execute(attempt.format(table=table))

    assert await service.fetch(f"SELECT * FROM {table}") == before


DELETED = {"deadlines"}
"""What runs, and no record of anything: what came of a deadline stands in the timeline."""


async def test_the_service_deletes_nothing_that_has_happened(service: Connection) -> None:
    tables = await service.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    assert len(tables) > 10
    for row in tables:
        if row["relname"] in DELETED:
            continue
        async with refused(service, asyncpg.InsufficientPrivilegeError):
            await service.execute(f"DELETE FROM {row['relname']}")


# And what else no bug may write.


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE payments SET amount_minor = 0", "payments_amount_positive"),
        ("UPDATE escrows SET payer_id = gen_random_uuid()", "escrows_payer"),
        ("UPDATE escrows SET payee_id = gen_random_uuid()", "escrows_payee"),
        ("UPDATE payments SET escrow_id = gen_random_uuid()", "payments_escrow"),
    ],
)
async def test_records_belong_together(
    service: Connection, statement: str, constraint: str
) -> None:
    async with refused(service, asyncpg.IntegrityConstraintViolationError, constraint):
        await service.execute(statement)
