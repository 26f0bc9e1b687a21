"""Every statement of the store that takes a tenant returns nothing of another, and changes nothing
of it, although every id is the same.

Each is run as one tenant over a database full of another's rows: its answer is then the one that it
gives over an empty database. Run as the other it finds the rows, which shows that it was asked
right.
"""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import asyncpg
import pytest
from asyncpg.pool import PoolConnectionProxy as Connection

from service.store.fragments import ORDER, commit_statement
from service.store.pool import open_pool
from tests.postgres import Server, connected, migrated_database
from tests.service.store.across_tenants import across_tenants
from tests.service.store.one_row import Asker, Row, as_asked, asker_of, takes_tenant
from tests.service.store.test_statements import STATEMENTS

OURS, THEIRS = "ours", "theirs"
COMMITS = {f"commit of {name}": commit_statement((name,)) for name in ORDER}
WHOLE = {"commit of everything", "commit of a release"}  # in COMMITS, part by part
# They look for an operation without a position, and the one row here has one: test_sequence.py.
SEALING = {"sequence.seal_next", "sequence.seal_all"}
# Each text once, under its first name.
ASKED = {
    text: name
    for name, text in reversed((STATEMENTS | COMMITS).items())
    if takes_tenant(text) and name not in WHOLE | SEALING and not across_tenants(name)
}
CHECKS = """\
SELECT conrelid::regclass::text, conname FROM pg_constraint
WHERE contype IN ('c', 'f') AND connamespace = 'public'::regnamespace"""


class Outcome(NamedTuple):
    """What a statement answered, and how many rows of who asked there are in each table then."""

    answer: Any
    rows: dict[str, int]


@pytest.fixture(scope="module")
async def lenient(postgres_server: Server, template_database: str) -> AsyncIterator[Connection]:
    """The tables, with their keys and nothing else that refuses a row."""
    async with migrated_database(postgres_server, template_database) as database:
        async with connected(database.owner_dsn) as owner:
            for table, constraint in await owner.fetch(CHECKS):
                await owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        unguarded = {"session_replication_role": "replica"}  # no trigger
        pool = await open_pool(
            database.owner_dsn, role="", min_size=1, max_size=1, settings=unguarded
        )
        async with pool.acquire() as connection:
            yield connection
        await pool.close()


@pytest.fixture(scope="module")
async def asker(lenient: Connection) -> Asker:
    return await asker_of(lenient)


async def insert(connection: Connection, asker: Asker, asked: Row) -> None:
    for table, row in asker.tables.items():
        values = {c: asked.get(c, v) for c, v in row.items()} | {"tenant_id": THEIRS}
        required = {c: row[c] for c in asker.required[table] if values[c] is None}
        values |= required
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        await connection.execute(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", *values.values()
        )


async def contents(connection: Connection, asker: Asker, tenant: str) -> dict[str, list[Any]]:
    return {
        table: [
            tuple(row)
            for row in await connection.fetch(
                f"SELECT ctid, * FROM {table} WHERE tenant_id = $1", tenant
            )
        ]
        for table in asker.tables
    }


async def run(
    connection: Connection, asker: Asker, statement: str, tenant: str, asked: Row
) -> Outcome:
    prepared = await connection.prepare(statement)
    arguments = asker.arguments(statement, prepared.get_parameters(), tenant, asked)
    try:
        async with connection.transaction():
            answer: Any = [tuple(row) for row in await prepared.fetch(*arguments)]
    except asyncpg.PostgresError as error:
        answer = error.sqlstate
    found = await contents(connection, asker, tenant)
    return Outcome(answer, {table: len(rows) for table, rows in found.items()})


class Tried(NamedTuple):
    """A statement over nothing, and over the rows of another: as we, and as they."""

    alone: Outcome
    beside: Outcome
    theirs: Outcome
    theirs_changed: bool  # by us
    they_changed: bool  # by themselves


async def tried(connection: Connection, asker: Asker, statement: str, asked: Row) -> Tried:
    async def undone(tenant: str, *, full: bool) -> tuple[Outcome, bool]:
        transaction = connection.transaction()
        await transaction.start()
        try:
            if full:
                await insert(connection, asker, asked)
            before = await contents(connection, asker, THEIRS)
            outcome = await run(connection, asker, statement, tenant, asked)
            return outcome, before != await contents(connection, asker, THEIRS)
        finally:
            await transaction.rollback()

    alone, _ = await undone(OURS, full=False)
    beside, theirs_changed = await undone(OURS, full=True)
    theirs, they_changed = await undone(THEIRS, full=True)
    return Tried(alone, beside, theirs, theirs_changed, they_changed)


async def trouble(connection: Connection, asker: Asker, statement: str) -> str:
    """What is wrong with a statement, or with how it was asked; "" when nothing is."""
    finds = False
    for asked in as_asked(statement):
        found = await tried(connection, asker, statement, asked)
        if found.theirs_changed:
            return "changes what is another's"
        if found.beside != found.alone:
            return f"answers {found.beside}, and without the other's rows {found.alone}"
        finds |= found.they_changed or found.theirs.answer != found.beside.answer
    return "" if finds else "finds nothing, even as whose rows they are"


@pytest.mark.parametrize("statement", ASKED, ids=ASKED.values())
async def test_nothing_of_another_tenant_is_returned_or_changed(
    lenient: Connection, asker: Asker, statement: str
) -> None:
    assert await trouble(lenient, asker, statement) == "", statement


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT e.state FROM escrows AS e WHERE e.escrow_id = $2 OR e.tenant_id = $1", "answers"),
        (
            "SELECT 1 FROM payers AS p JOIN escrows AS e USING (payer_id) WHERE e.tenant_id <> $1",
            "answers",
        ),
        ("UPDATE payments SET state = 'x' WHERE tenant_id = $1 OR payment_id = $2", "changes"),
        (
            "SELECT e.state FROM escrows AS e WHERE e.tenant_id = $1 AND e.state = 'A' || 'B'",
            "finds",
        ),
    ],
)
async def test_a_statement_that_does_would_be_found(
    lenient: Connection, asker: Asker, statement: str, told: str
) -> None:
    assert (await trouble(lenient, asker, statement)).startswith(told)
