"""The pool: under the service's role, and an outage is told in the domain's words."""

import asyncio

import asyncpg
import pytest

from service.domain.errors import DatabaseUnavailable
from service.migrations import Connection
from service.store.pool import INDEX_PLANS, PLANNING, open_pool
from tests.postgres import Database
from tests.records import TENANT, new_id
from tests.service.store.pools import service_pool

AT_WORK = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'escrow' AND state = 'active'
LIMIT 1"""


async def test_connections_work_under_the_services_role(database: Database) -> None:
    """Also when whoever logs in could do more."""
    pool = await open_pool(database.owner_dsn, min_size=1, max_size=1)
    try:
        assert await pool.fetchval("SELECT current_user") == "escrow_service"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute("DELETE FROM entries")
    finally:
        await pool.close()


async def test_every_connection_plans_once_and_by_index(pool: asyncpg.Pool) -> None:
    for setting, value in PLANNING.items():
        assert await pool.fetchval("SELECT current_setting($1)", setting) == value


async def test_behind_a_pooler_no_session_is_set_up(database: Database) -> None:
    """PgBouncer refuses the settings it does not know, and prepared statements are not kept."""
    pool = await open_pool(database.service_dsn, role="", statement_cache_size=0, max_size=2)
    try:
        for setting in INDEX_PLANS:
            assert await pool.fetchval("SELECT current_setting($1)", setting) == "on"
        assert await pool.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0
        sent = await pool.fetchval("SELECT $1::jsonb", {"a": [1, None]})
        assert sent == {"a": [1, None]}
    finally:
        await pool.close()


@pytest.mark.parametrize("value", [{}, [], None, "é\n\\", 2**62, {"b": {"a": [True, "日本"]}}])
async def test_json_travels_in_binary_also_inside_arrays_of_rows(
    pool: asyncpg.Pool, value: object
) -> None:
    assert await pool.fetchval("SELECT $1::jsonb", value) == value
    (row,) = await pool.fetchval("SELECT ARRAY[ROW($1::jsonb, 1)]", value)
    assert tuple(row) == (value, 1)


@pytest.mark.parametrize("trouble", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_a_statement_that_is_stopped_is_an_outage(
    pool: asyncpg.Pool, owner: Connection, trouble: str
) -> None:
    asked = asyncio.create_task(pool.fetchval("SELECT pg_sleep(20)"))
    async with asyncio.timeout(10):
        while (pid := await owner.fetchval(AT_WORK)) is None:  # noqa: ASYNC110  in PostgreSQL
            await asyncio.sleep(0.005)
    await owner.execute(f"SELECT {trouble}($1)", pid)

    with pytest.raises(DatabaseUnavailable) as outage:
        await asked

    assert isinstance(outage.value.__cause__, asyncpg.PostgresError)
    assert await _first_answer(pool) == 1  # and the pool goes on


async def _first_answer(pool: asyncpg.Pool) -> int:
    """A pool may hand out more connections that were cut; it makes new ones instead."""
    while True:
        try:
            return int(await pool.fetchval("SELECT 1"))
        except DatabaseUnavailable:
            continue


async def test_a_statement_that_takes_too_long_is_an_outage(database: Database) -> None:
    pool = await open_pool(database.service_dsn, role="", max_size=2, command_timeout_s=0.05)
    try:
        with pytest.raises(DatabaseUnavailable) as outage:
            await pool.fetchval("SELECT pg_sleep(20)")
        assert isinstance(outage.value.__cause__, TimeoutError)
    finally:
        await pool.close()


async def test_a_database_that_takes_no_writes_any_more_is_an_outage(database: Database) -> None:
    """A primary that became a standby, while our connections to it live on."""
    standby = {"default_transaction_read_only": "on"}
    pool = await open_pool(database.service_dsn, role="", min_size=1, max_size=1, settings=standby)
    try:
        with pytest.raises(DatabaseUnavailable):
            await pool.execute("INSERT INTO balances VALUES ($1, 'liab:x', 'USD', 0)", TENANT)
    finally:
        await pool.close()


async def test_a_server_without_room_is_an_outage(database: Database, owner: Connection) -> None:
    async with service_pool(database, size=2) as pool, pool.acquire():
        await owner.execute(f"ALTER DATABASE {database.name} CONNECTION LIMIT 0")

        with pytest.raises(DatabaseUnavailable) as outage:
            await pool.fetchval("SELECT 1")  # needs a second connection

        assert isinstance(outage.value.__cause__, asyncpg.TooManyConnectionsError)


async def test_a_wrong_statement_is_a_bug_and_no_outage(pool: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await pool.fetchval("SELECT * FROM nothing")
    with pytest.raises(asyncpg.DataError):
        await pool.fetchval("SELECT $1::bigint", 2**63)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await pool.execute(
            "INSERT INTO entries VALUES ($1, $2, 1, 'platform', 'a', 'USD', 1),"
            " ($1, $2, 2, 'platform', 'b', 'USD', -1)",
            TENANT,
            new_id(),
        )
