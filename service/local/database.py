"""The database of ``escrow up``: an embedded PostgreSQL that keeps its data, brought up to date."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg

from service import migrations
from service.config import Settings, load_settings
from service.database import direct_connection
from service.local.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from service.store.parties import ANY_PARTY

DATABASE = "escrow"
TENANT = "default"
CREATE_DATABASE = f"CREATE DATABASE {DATABASE}"


@asynccontextmanager
async def embedded_database(
    folder: Path, on_stopped: Callable[[], None]
) -> AsyncIterator[EmbeddedPostgres]:
    """A server that has the database in the folder; it stops with its last user.

    Raises:
        EmbeddedPostgresError: there are no programs, or they do not work here.
    """
    postgres = EmbeddedPostgres(folder)
    starting = asyncio.create_task(asyncio.to_thread(postgres.start))
    try:
        await asyncio.shield(starting)
        await _require_database(postgres)
        yield postgres
    finally:
        # When this is cancelled while the server starts, the start has to end before the stop.
        with suppress(EmbeddedPostgresError):
            await starting
            await asyncio.to_thread(postgres.stop)
            on_stopped()


async def _require_database(postgres: EmbeddedPostgres) -> None:
    admin = await asyncpg.connect(postgres.dsn(), ssl=False)
    try:
        with suppress(asyncpg.DuplicateDatabaseError):
            await admin.execute(CREATE_DATABASE)
    finally:
        await admin.close()


async def is_empty(database_url: str) -> bool:
    """Whether there is nobody in it yet. The database has every migration."""
    async with direct_connection(local_settings(database_url)) as connection:
        return not await connection.fetchval(ANY_PARTY, TENANT)


async def migrate(database_url: str) -> int:
    """Applies the pending migrations, and returns their number."""
    async with direct_connection(local_settings(database_url)) as connection:
        return len(await migrations.up(connection, migrations.load_migrations()))


def local_settings(database_url: str) -> Settings:
    """Settings for a process on this machine that reads or migrates the database."""
    return load_settings(auth="development", database_url=database_url, database_pool_min=0)
