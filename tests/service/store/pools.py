"""Pools as a process of the service opens them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.store.pool import ServicePool, open_pool
from tests.postgres import Database


@asynccontextmanager
async def service_pool(database: Database, size: int) -> AsyncIterator[ServicePool]:
    """A pool of a process that serves and works, and so under the worker's role."""
    pool = await open_pool(database.worker_dsn, role="", min_size=1, max_size=size)
    try:
        yield pool
    finally:
        await pool.close()
