import asyncio
from pathlib import Path

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


class AsksForPassword:
    """A PostgreSQL that asks for a password in clear text, and refuses every one."""

    def __init__(self) -> None:
        self.given: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
        writer.write(b"R" + (8).to_bytes(4) + (3).to_bytes(4))
        assert await reader.readexactly(1) == b"p"
        answer = await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
        self.given.append(answer.rstrip(b"\0").decode())
        fields = b"SFATAL\0C28P01\0Mpassword authentication failed\0\0"
        writer.write(b"E" + (4 + len(fields)).to_bytes(4) + fields)
        writer.close()


async def test_the_password_is_read_for_every_connection(tmp_path: Path) -> None:
    postgres, file = AsksForPassword(), tmp_path / "password"
    server = await asyncio.start_server(postgres.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = Settings(
        auth="development",
        database_url=f"postgresql://escrow@127.0.0.1:{port}/escrow",  # type: ignore[arg-type]
        database_password_file=file,
    )
    told = []
    for password in ("first", "second"):
        file.write_text(f"{password}\n")
        with pytest.raises(DatabaseProblem) as refused:
            async with direct_connection(settings):
                pass
        told.append(str(refused.value))
    server.close()

    assert postgres.given == ["first", "second"]
    assert all("password authentication failed" in line for line in told)
    assert not [line for line in told if "first" in line or "second" in line]


async def test_a_password_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    settings = Settings(
        auth="development",
        database_url="postgresql://escrow@127.0.0.1:9/escrow",  # type: ignore[arg-type]
        database_password_file=tmp_path / "missing",
    )
    with pytest.raises(DatabaseProblem, match="No such file"):
        async with direct_connection(settings):
            pass
