import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from service.local.schema_dump import dump_schema
from service.migrations import (
    MIGRATIONS,
    Connection,
    Migration,
    MigrationError,
    down,
    load_migrations,
    status,
    up,
)
from tests.postgres import Database, Server, connected, empty_database

ACCOUNTS = """
-- migrate:up
CREATE TABLE accounts (id bigint PRIMARY KEY, balance_minor bigint NOT NULL);
-- migrate:down
DROP TABLE accounts;
"""
ENTRIES = """
-- migrate:up
CREATE TABLE entries (account_id bigint NOT NULL REFERENCES accounts);
INSERT INTO accounts VALUES (1, 0);
-- migrate:down
DELETE FROM accounts;
DROP TABLE entries;
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "0001_accounts.sql").write_text(ACCOUNTS)
    (tmp_path / "0002_entries.sql").write_text(ENTRIES)
    return tmp_path


@pytest.fixture
async def dsn(postgres_server: Server) -> AsyncIterator[str]:
    async with empty_database(postgres_server) as dsn:
        yield dsn


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[Connection]:
    async with connected(dsn) as connection:
        yield connection


async def tables(connection: Connection) -> set[str]:
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND oid > 16383"
    )
    return {row["relname"] for row in rows} - {"schema_migrations"}


async def test_up_applies_what_is_pending_in_order(directory: Path, connection: Connection) -> None:
    migrations = load_migrations(directory)
    assert [m.file_name for m in await up(connection, migrations[:1])] == ["0001_accounts.sql"]
    assert [m.file_name for m in await up(connection, migrations)] == ["0002_entries.sql"]
    assert await up(connection, migrations) == []
    assert await tables(connection) == {"accounts", "entries"}


async def test_down_takes_back_the_newest_first(directory: Path, connection: Connection) -> None:
    migrations = load_migrations(directory)
    await up(connection, migrations)
    assert [m.version for m in await down(connection, migrations)] == ["0002"]
    assert await tables(connection) == {"accounts"}
    await up(connection, migrations)
    assert [m.version for m in await down(connection, migrations, 5)] == ["0002", "0001"]
    assert await tables(connection) == set()
    assert await down(connection, migrations) == []


async def test_down_of_nothing_changes_nothing(directory: Path, connection: Connection) -> None:
    migrations = load_migrations(directory)
    await up(connection, migrations)
    assert await down(connection, migrations, 0) == []
    assert await tables(connection) == {"accounts", "entries"}


async def test_status_tells_applied_from_pending(directory: Path, connection: Connection) -> None:
    migrations = load_migrations(directory)
    assert [version.applied_at for version in await status(connection, migrations)] == [None, None]
    assert await tables(connection) == set()
    await up(connection, migrations[:1])
    first, second = await status(connection, migrations)
    assert first.applied_at is not None
    assert second.applied_at is None


async def test_failing_file_leaves_nothing_behind(directory: Path, connection: Connection) -> None:
    (directory / "0003_broken.sql").write_text(
        "-- migrate:up\nCREATE TABLE half ();\nSELECT nonsense;\n-- migrate:down\nSELECT 1;\n"
    )
    with pytest.raises(MigrationError, match=r"^0003_broken.sql: .*nonsense.*\(line 2 of"):
        await up(connection, load_migrations(directory))
    assert await tables(connection) == {"accounts", "entries"}
    assert [v.version for v in await status(connection, ()) if v.applied_at] == ["0001", "0002"]


async def test_edited_file_is_refused(directory: Path, connection: Connection) -> None:
    await up(connection, load_migrations(directory))
    (directory / "0001_accounts.sql").write_text(ACCOUNTS.replace("bigint NOT NULL", "numeric"))
    edited = load_migrations(directory)
    assert [version.edited for version in await status(connection, edited)] == [True, False]
    with pytest.raises(MigrationError, match=r"^0001_accounts.sql was edited after it was applied"):
        await up(connection, edited)
    with pytest.raises(MigrationError, match="edited"):
        await down(connection, edited, 2)
    assert await tables(connection) == {"accounts", "entries"}


async def test_file_numbered_before_an_applied_one_is_refused(
    directory: Path, connection: Connection
) -> None:
    first, second = load_migrations(directory)
    await up(connection, [first])
    (directory / "0000_late.sql").write_text("-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 1;")
    with pytest.raises(MigrationError, match=r"^0000_late.sql is not applied, but the later 0001_"):
        await up(connection, [*load_migrations(directory)[:1], first, second])


async def test_older_release_starts_on_a_newer_schema(
    directory: Path, connection: Connection
) -> None:
    migrations = load_migrations(directory)
    await up(connection, migrations)
    assert await up(connection, migrations[:1]) == []
    assert (await status(connection, migrations[:1]))[1].file_missing
    with pytest.raises(MigrationError, match=r"0002_entries.sql was applied, but the file"):
        await down(connection, migrations[:1])


async def test_pods_that_start_together_apply_each_file_once(directory: Path, dsn: str) -> None:
    async def start_pod() -> list[Migration]:
        async with connected(dsn) as connection:
            return await up(connection, load_migrations(directory))

    applied = await asyncio.gather(*(start_pod() for _ in range(5)))
    assert sorted(map(len, applied)) == [0, 0, 0, 0, 2]


async def test_lock_is_free_after_a_failure(directory: Path, dsn: str) -> None:
    (directory / "0003_broken.sql").write_text("-- migrate:up\nnonsense\n-- migrate:down\n")
    async with connected(dsn) as first, connected(dsn) as second:
        with pytest.raises(MigrationError):
            await up(first, load_migrations(directory))
        assert await asyncio.wait_for(up(second, load_migrations(directory)[:2]), 5) == []


async def test_index_is_made_concurrently_outside_a_transaction(
    directory: Path, connection: Connection
) -> None:
    (directory / "0003_index.sql").write_text(
        "-- migrate:up transaction:false\n"
        "CREATE INDEX CONCURRENTLY by_account ON entries (account_id);\n"
        "-- migrate:down transaction:false\nDROP INDEX CONCURRENTLY by_account;\n"
    )
    migrations = load_migrations(directory)
    assert len(await up(connection, migrations)) == 3
    assert len(await down(connection, migrations)) == 1


async def test_what_dbmate_applied_is_taken_over(directory: Path, connection: Connection) -> None:
    migrations = load_migrations(directory)
    await connection.execute(
        "CREATE TABLE schema_migrations (version varchar(128) NOT NULL PRIMARY KEY)"
    )
    await connection.execute(migrations[0].up.sql)
    await connection.execute("INSERT INTO schema_migrations (version) VALUES ('0001')")
    assert [m.version for m in await up(connection, migrations)] == ["0002"]


async def test_dbmate_can_write_to_our_table(directory: Path, connection: Connection) -> None:
    migrations = load_migrations(directory)
    await up(connection, migrations[:1])
    await connection.execute(migrations[1].up.sql)
    await connection.execute("INSERT INTO schema_migrations (version) VALUES ('0002')")
    assert await up(connection, migrations) == []


@pytest.mark.parametrize(
    ("file_name", "text", "complaint"),
    [
        ("accounts.sql", ACCOUNTS, "is named NNNN_name.sql"),
        ("0003_no_down.sql", "-- migrate:up\nSELECT 1;", "needs one"),
        ("0003_reversed.sql", "-- migrate:down\n-- migrate:up\n", "needs one"),
        ("0003_nothing.sql", "SELECT 1;", "needs one"),
        ("0001_again.sql", ACCOUNTS, "two files of version 0001"),
    ],
)
def test_malformed_file_is_named(
    directory: Path, file_name: str, text: str, complaint: str
) -> None:
    (directory / file_name).write_text(text)
    with pytest.raises(MigrationError, match=complaint):
        load_migrations(directory)


# The migrations of this repository.


async def test_every_migration_goes_down_and_up_again(
    postgres_server: Server, dsn: str, connection: Connection
) -> None:
    migrations = load_migrations()
    before = await dump_schema(dsn, postgres_server.pg_dump)
    for number, migration in enumerate(migrations, 1):
        await up(connection, migrations[:number])
        after = await dump_schema(dsn, postgres_server.pg_dump)
        await down(connection, migrations[:number])
        assert await dump_schema(dsn, postgres_server.pg_dump) == before, migration.file_name
        await up(connection, migrations[:number])
        assert await dump_schema(dsn, postgres_server.pg_dump) == after, migration.file_name
        before = after


@pytest.mark.skipif(not load_migrations(), reason="no migration is written yet")
async def test_schema_sql_is_the_sum_of_the_migrations(
    postgres_server: Server, database: Database, dsn: str, connection: Connection
) -> None:
    text = await asyncio.to_thread((MIGRATIONS / "schema.sql").read_text)
    await connection.execute(text)
    assert await dump_schema(dsn, postgres_server.pg_dump) == await dump_schema(
        database.owner_dsn, postgres_server.pg_dump
    )


@pytest.mark.skipif(not load_migrations(), reason="no migration is written yet")
async def test_service_role_cannot_change_the_schema(database: Database) -> None:
    async with connected(database.service_dsn) as connection:
        assert await connection.fetchval("SELECT pg_has_role('escrow_service', 'USAGE')")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE public.mine ()")


@pytest.mark.skipif(not load_migrations(), reason="no migration is written yet")
@pytest.mark.parametrize("table", ["entries", "journals", "operations"])
@pytest.mark.parametrize("privilege", ["UPDATE", "DELETE", "TRUNCATE"])
async def test_service_role_can_only_add_to_the_books(
    database: Database, table: str, privilege: str
) -> None:
    async with connected(database.service_dsn) as connection:
        asked = "SELECT has_table_privilege($1, $2)"
        assert await connection.fetchval(asked, table, "INSERT")
        assert not await connection.fetchval(asked, table, privilege)
        assert not await connection.fetchval(
            "SELECT coalesce(bool_or(has_column_privilege($1, attname, $2)), false)"
            " FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0",
            table,
            "UPDATE",
        )
