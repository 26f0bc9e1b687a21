"""Pools as the service opens them, and the owner's eyes on what they wrote."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from service.migrations import Connection
from service.store.pool import ServicePool
from tests.postgres import Database, connected
from tests.service.store.pools import service_pool


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[ServicePool]:
    """A small pool on the test's own database."""
    async with service_pool(database, size=4) as pool:
        yield pool


@pytest.fixture
async def pools(database: Database) -> AsyncIterator[list[ServicePool]]:
    """Two pools of ten connections: two processes of the service on one database."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(service_pool(database, size=10)) for _ in range(2)]


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """A connection that may look at everything, and break anything."""
    async with connected(database.owner_dsn) as connection:
        yield connection
