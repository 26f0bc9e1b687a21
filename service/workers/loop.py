"""The turn of every worker: take what is due, do it side by side, rest when there is nothing."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

import structlog
from opentelemetry.trace import Span

from service.domain.errors import DatabaseUnavailable
from service.runtime import Runtime
from service.tracing import continued, mark_failed

log = structlog.get_logger()
Item = TypeVar("Item")

REST_S = 0.1  # a look at an empty queue is one index seek
TROUBLE_REST_S = 1.0


class Worker(ABC, Generic[Item]):
    """A queue's worker. Any number may run beside each other, in any number of processes.

    ``slots`` is how many items it does side by side; a slow one keeps its own slot busy, and no
    other.
    """

    def __init__(self, runtime: Runtime, *, slots: int = 16) -> None:
        self.runtime = runtime
        self.slots = slots
        self._stopping = asyncio.Event()

    @property
    def name(self) -> str:
        return type(self).__name__

    @abstractmethod
    async def take(self, limit: int) -> Sequence[Item]:
        """Leases what is due now, at most ``limit`` of it."""

    def span(self, item: Item) -> AbstractContextManager[Span]:
        """What is around all that is done, and logged, about one item: a trace of its own, unless
        the item knows where it comes from.
        """
        del item
        return continued(self.name, "")

    @abstractmethod
    async def do(self, item: Item) -> object:
        """Does one item; what it raises is logged, and the lease brings the item back."""

    async def run_once(self) -> int:
        """Does what is due now; how many items that was."""
        items = await self.take(self.slots)
        await asyncio.gather(*(self._do(item) for item in items))
        return len(items)

    async def run(self) -> None:
        """Works until ``stop``; what was begun is finished."""
        busy: set[asyncio.Task[None]] = set()
        try:
            while not self._stopping.is_set():
                pause_s = await self._fill(busy)
                await self._rest(busy, pause_s)
                busy = {task for task in busy if not task.done()}
        finally:
            await asyncio.gather(*busy)

    def stop(self) -> None:
        self._stopping.set()

    async def _fill(self, busy: set[asyncio.Task[None]]) -> float:
        """Gives the free slots something to do; for how long to rest afterwards."""
        free = self.slots - len(busy)
        try:
            taken = await self.take(free) if free else []
        except DatabaseUnavailable as outage:
            log.warning(
                "worker waits for the database", worker=self.name, cause=str(outage.__cause__)
            )
            return TROUBLE_REST_S
        except Exception:  # the queue may be out of reach for a while; a loop never dies of it
            log.exception("worker in trouble", worker=self.name)
            return TROUBLE_REST_S
        busy |= {asyncio.create_task(self._do(item)) for item in taken}
        return REST_S

    async def _rest(self, busy: set[asyncio.Task[None]], pause_s: float) -> None:
        """Until ``stop``, the end of the pause, or, with every slot busy, a free slot."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        full = busy if len(busy) >= self.slots else set()
        try:
            await asyncio.wait(
                {stopping, *full}, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            stopping.cancel()

    async def _do(self, item: Item) -> None:
        """One item that fails leaves the others alone."""
        with self.span(item) as span:
            try:
                await self.do(item)
            except Exception as error:
                mark_failed(span, error)
                log.exception("item failed", worker=self.name, item=repr(item)[:200])
