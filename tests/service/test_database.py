import pytest

from service.config import DatabaseRole, Settings
from service.database import DatabaseProblem, direct_connection, pooled_database
from tests.postgres import Database, Server, empty_database


def settings_for(dsn: str, *, pgbouncer: bool = False) -> Settings:
    return Settings.model_validate(
        {"auth": "development", "database_url": dsn, "pgbouncer": pgbouncer}
    )


async def test_connections_work_as_a_role_that_cannot_change_the_books(database: Database) -> None:
    async with pooled_database(settings_for(database.service_dsn), DatabaseRole.SERVICE) as pool:
        assert await pool.fetchval("SELECT current_user") == "escrow_service"
        with pytest.raises(Exception, match="permission denied"):
            await pool.execute("DELETE FROM entries")
    assert pool.is_closing()


async def test_a_login_that_may_not_work_as_its_program_is_told_what_to_do(
    database: Database,
) -> None:
    told = "as escrow_worker: .* GRANT escrow_worker TO the login of its URL"
    with pytest.raises(DatabaseProblem, match=told):
        async with pooled_database(settings_for(database.service_dsn), DatabaseRole.WORKER):
            pass


async def test_behind_a_pooler_nothing_stays_in_the_session(database: Database) -> None:
    settings = settings_for(database.service_dsn, pgbouncer=True)

    async with (
        pooled_database(settings, DatabaseRole.SERVICE) as pool,
        pool.acquire() as connection,
    ):
        assert await connection.fetchval("SELECT current_user") == "escrow_test_login"
        assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0


async def test_a_login_that_may_read_the_history_gets_it_checked(database: Database) -> None:
    async with direct_connection(settings_for(database.owner_dsn)) as owner:
        await owner.execute("DELETE FROM schema_migrations WHERE version = '0001'")

    with pytest.raises(DatabaseProblem, match=r"lacks 1 migration\(s\), first 0001_"):
        async with pooled_database(settings_for(database.owner_dsn), DatabaseRole.SERVICE):
            pass


async def test_a_database_without_the_schema_is_told(postgres_server: Server) -> None:
    async with empty_database(postgres_server) as dsn:
        with pytest.raises(DatabaseProblem, match="run `escrow migrate up`"):
            async with pooled_database(settings_for(dsn), DatabaseRole.SERVICE):
                pass


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://escrow:hunter2@127.0.0.1:1/escrow",
        "postgresql://escrow:hunter2@host.invalid/escrow",
        "postgresql://escrow:hunter2@127.0.0.1:port/escrow",
        "postgresql://escrow:hunter2/4@127.0.0.1/escrow",
    ],
)
async def test_a_database_out_of_reach_is_one_line_without_the_password(dsn: str) -> None:
    with pytest.raises(DatabaseProblem, match="cannot use the database") as caught:
        async with direct_connection(settings_for(dsn)):
            pass
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
