"""Pools as the service opens them, and the owner's eyes on what they wrote."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from service.migrations import Connection
from service.store.pool import open_pool
from tests.postgres import Database, connected


@asynccontextmanager
async def service_pool(database: Database, size: int) -> AsyncIterator[asyncpg.Pool]:
    """A pool that works under the service's role."""
    pool = await open_pool(database.service_dsn, role="", min_size=1, max_size=size)
    try:
        yield pool
    finally:
        await pool.close()


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    """A small pool on the test's own database."""
    async with service_pool(database, size=4) as pool:
        yield pool


@pytest.fixture
async def pools(database: Database) -> AsyncIterator[list[asyncpg.Pool]]:
    """Two pools of ten connections: two processes of the service on one database."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(service_pool(database, size=10)) for _ in range(2)]


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """A connection that may look at everything, and break anything."""
    async with connected(database.owner_dsn) as connection:
        yield connection
