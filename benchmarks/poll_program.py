"""The pollers of a worker process: each looks for work when it is asked to, and does none of it.

    {"poller": "EffectsWorker", "polls": 1}
    ->  {"polls": [{"tenants": ["tenant-0"], "statements": 1, "ms": 0.8}]}

They are composed and configured as in the service. The pool may have one connection only
(ESCROW_DATABASE_POOL_MAX): its statements are counted.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg
import uvloop

from benchmarks.jobs import Answer, Job, answer_jobs
from service.config import load_config
from service.runtime import Runtime
from service.server import WORKERS, running
from service.workers.loop import Worker
from service.workers.watch import QueueWatch

Poll = Callable[[], Awaitable[list[str]]]
"""Looks once; the tenants of what it took."""


class Statements:
    """Counts the statements of a connection."""

    def __init__(self) -> None:
        self.sent = 0

    def count(self, _: asyncpg.connection.LoggedQuery) -> None:
        self.sent += 1


def pollers(runtime: Runtime) -> Mapping[str, Poll]:
    """Every worker of the service, and the watch over its queues, by name."""
    watch = QueueWatch(runtime)

    async def look() -> list[str]:
        await watch.run_once()
        return []

    workers = (worker(runtime) for worker in WORKERS)
    return {worker.name: _taking(worker) for worker in workers} | {QueueWatch.__name__: look}


def _taking(worker: Worker[Any]) -> Poll:
    async def take() -> list[str]:
        return [item.tenant_id for item in await worker.take(worker.slots)]

    return take


async def polled(poll: Poll, statements: Statements) -> dict[str, Any]:
    sent, started = statements.sent, time.perf_counter()
    tenants = await poll()
    ms = (time.perf_counter() - started) * 1000
    await asyncio.sleep(0)  # asyncpg logs a statement in the next turn of the event loop
    return {"tenants": tenants, "statements": statements.sent - sent, "ms": ms}


async def main() -> None:
    async with running(load_config(), serve=False, work=False) as service:
        runtime, statements = service.runtime, Statements()
        async with runtime.pool.acquire() as connection:
            connection.add_query_logger(statements.count)
        known = pollers(runtime)

        async def run(job: Job) -> Answer:
            poll = known[job["poller"]]
            return {"polls": [await polled(poll, statements) for _ in range(job["polls"])]}

        # A worker process does the same once it has started. Else the collector looks through all
        # that starting made in the middle of a poll, which then takes 40 ms.
        gc.collect()
        gc.freeze()
        await answer_jobs(run)


if __name__ == "__main__":
    uvloop.run(main())
