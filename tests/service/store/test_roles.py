"""Each program's own login may do what its program's statements do, and nothing else.

The logins are real, and what is refused is refused by PostgreSQL: EXPLAIN checks the rights of a
statement as its execution does, and changes nothing.
"""

import re
from collections.abc import AsyncIterator, Mapping

import asyncpg
import pytest

from service.migrations import Connection
from service.store.commit import write
from service.store.fragments import ORDER, commit_statement
from tests.postgres import ROLE_OF, Database, Server, connected, migrated_database
from tests.records import fund_deal, new_effect, new_unit
from tests.service.store.pools import service_pool
from tests.service.store.test_statements import STATEMENTS

WRITES = re.compile(r"\b(INSERT INTO|UPDATE) \w")
COMMITS = {f"commit of {name}": commit_statement((name,)) for name in ORDER}
READING = {name: text for name, text in STATEMENTS.items() if not WRITES.search(text)}
WRITING = {name: text for name, text in STATEMENTS.items() if WRITES.search(text)} | COMMITS
# What the workers alone do: tables that only they write, and the end of an event.
OF_WORKERS = re.compile(
    r"(INSERT INTO|UPDATE) (balance_snapshots|closings|positions|sealings|sweeps)\b"
    r"|SET .*processed_at ="
)
READER, SERVICE, WORKER = "reader_dsn", "service_dsn", "worker_dsn"

GRANTED = """\
SELECT table_name || '.' || column_name AS what FROM information_schema.column_privileges
WHERE grantee = $1 AND privilege_type = 'UPDATE' AND table_schema = 'public' ORDER BY 1"""
TABLES = """\
SELECT relname FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"""


@pytest.fixture(scope="module")
async def booked(postgres_server: Server, template_database: str) -> AsyncIterator[Database]:
    """A database with a funded escrow and an effect, so that there are rows to attack."""
    async with migrated_database(postgres_server, template_database) as database:
        async with service_pool(database, size=1) as pool:
            await fund_deal(pool)
            unit = new_unit()
            unit.put(new_effect())
            await write(pool, [unit])
        yield database


@pytest.fixture(scope="module")
async def logins(booked: Database) -> AsyncIterator[Mapping[str, Connection]]:
    """A connection of each program's login, by the name of its DSN."""
    async with (
        connected(booked.reader_dsn) as reader,
        connected(booked.service_dsn) as service,
        connected(booked.worker_dsn) as worker,
    ):
        yield {READER: reader, SERVICE: service, WORKER: worker}


async def explain(connection: Connection, statement: str) -> None:
    """Asks whether the statement may be executed.

    Raises:
        asyncpg.InsufficientPrivilegeError: it may not.
    """
    parameters = (await connection.prepare(statement)).get_parameters()
    nulls = f"({', '.join(['NULL'] * len(parameters))})" if parameters else ""
    await connection.execute(f"PREPARE asked AS {statement}")
    try:
        async with connection.transaction():
            await connection.execute(f"EXPLAIN EXECUTE asked{nulls}")
    finally:
        await connection.execute("DEALLOCATE asked")


async def is_refused(connection: Connection, statement: str) -> bool:
    try:
        await explain(connection, statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    return False


async def test_the_worker_may_do_all_that_the_store_does(logins: Mapping[str, Connection]) -> None:
    refused = [
        name
        for name, text in (STATEMENTS | COMMITS).items()
        if await is_refused(logins[WORKER], text)
    ]

    assert refused == []


async def test_the_service_may_do_all_but_what_is_the_workers(
    logins: Mapping[str, Connection],
) -> None:
    expected = {name for name, text in WRITING.items() if OF_WORKERS.search(text)}
    refused = {
        name
        for name, text in (STATEMENTS | COMMITS).items()
        if await is_refused(logins[SERVICE], text)
    }

    assert refused == expected
    assert {"balances.CLOSE_FURTHER", "sweeps.SAVE", "commit of event_ends"} < refused


async def test_the_reader_reads_everything_and_writes_nothing(
    logins: Mapping[str, Connection],
) -> None:
    refused = {
        name
        for name, text in (STATEMENTS | COMMITS).items()
        if await is_refused(logins[READER], text)
    }

    assert refused == set(WRITING)
    assert len(READING) > 100
    for (table,) in await logins[READER].fetch(TABLES):
        await logins[READER].execute(f"SELECT * FROM {table} LIMIT 1")


async def updatable(owner: Connection) -> set[str]:
    """The columns that any program may update."""
    return {
        row["what"] for role in ROLE_OF.values() for row in await owner.fetch(GRANTED, role.value)
    }


async def test_no_program_may_update_more_than_a_statement_does(booked: Database) -> None:
    """Each right is taken away in turn, and a statement is refused without it."""
    idle = []
    async with connected(booked.owner_dsn) as owner:
        for what in sorted(await updatable(owner)):
            table, _, column = what.partition(".")
            statements = [t for t in WRITING.values() if re.search(rf"\b{table}\b", t)]
            transaction = owner.transaction()
            await transaction.start()
            roles = ", ".join(role.value for role in ROLE_OF.values())
            await owner.execute(f"REVOKE UPDATE ({column}) ON {table} FROM {roles}")
            await owner.execute("SET LOCAL ROLE escrow_worker")
            for statement in statements:
                try:
                    await explain(owner, statement)
                except asyncpg.InsufficientPrivilegeError:
                    break
            else:
                idle.append(what)
            await transaction.rollback()

    assert idle == []


@pytest.mark.parametrize("login", [READER, SERVICE, WORKER])
@pytest.mark.parametrize(
    "statement",
    [
        # what was booked
        "UPDATE entries SET amount_minor = 1",
        "UPDATE journals SET kind = 'x'",
        "UPDATE operations SET response = NULL",
        "UPDATE balance_snapshots SET balance_minor = 0",
        "UPDATE balance_transactions SET net_minor = 0",
        "UPDATE balances SET account = 'x'",
        "DELETE FROM balances",
        # what Stripe said, and what was sent there
        "UPDATE stripe_events SET payload = ''",
        "UPDATE stripe_events SET type = 'x'",
        "UPDATE effect_attempts SET started_at = now()",
        "DELETE FROM effects",
        # whose it is
        "UPDATE escrows SET tenant_id = 'other'",
        "UPDATE payments SET tenant_id = 'other'",
        "UPDATE effects SET tenant_id = 'other'",
        "UPDATE payees SET payee_id = gen_random_uuid()",
        "UPDATE milestones SET escrow_id = gen_random_uuid()",
        # and more rights
        "CREATE TABLE public.mine ()",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "ALTER TABLE entries OWNER TO CURRENT_USER",
        "DROP TABLE entries",
        "TRUNCATE entries CASCADE",
        "GRANT UPDATE ON entries TO escrow_service",
        "UPDATE schema_migrations SET checksum = ''",
        "SET session_replication_role = replica",
        "CREATE ROLE another",
        "ALTER ROLE escrow_service SUPERUSER",
    ],
)
async def test_what_no_program_may_do(
    logins: Mapping[str, Connection], login: str, statement: str
) -> None:
    async def attempt() -> None:
        transaction = logins[login].transaction()
        await transaction.start()
        try:
            await logins[login].execute(statement)
        finally:
            await transaction.rollback()

    if statement.startswith("GRANT"):  # only a warning; and nothing is granted
        await attempt()
        return
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await attempt()


@pytest.mark.parametrize(
    ("login", "below"),
    [
        (READER, ["escrow_reader"]),
        (SERVICE, ["escrow_reader", "escrow_service"]),
        (WORKER, ["escrow_reader", "escrow_service", "escrow_worker"]),
    ],
)
async def test_no_login_can_become_more(
    logins: Mapping[str, Connection], booked: Database, login: str, below: list[str]
) -> None:
    async with connected(booked.owner_dsn) as owner:
        roles = [row[0] for row in await owner.fetch("SELECT rolname FROM pg_roles")]
    connection, own = logins[login], await logins[login].fetchval("SELECT session_user")
    may = []
    for role in roles:
        try:
            await connection.execute(f'SET ROLE "{role}"')
        except asyncpg.InsufficientPrivilegeError:
            continue
        may.append(role)
    await connection.execute("RESET ROLE")

    assert sorted(may) == sorted([*below, own])


REQUEST = "UPDATE effects SET request = '{{\"amount\": 1}}', generation = generation + {more}"


async def test_a_request_changes_only_with_its_key(booked: Database) -> None:
    async with connected(booked.service_dsn) as service:
        assert await service.fetchval("SELECT count(*) FROM effects")
        for more in (0, -1):
            with pytest.raises(asyncpg.CheckViolationError, match="only with its generation"):
                await service.execute(REQUEST.format(more=more))
        transaction = service.transaction()
        await transaction.start()
        await service.execute(REQUEST.format(more=1))
        await transaction.rollback()
