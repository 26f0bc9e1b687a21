"""The turn of every worker: take what is due, do it side by side, rest when there is nothing."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog

from service.operations.house import House

log = structlog.get_logger()
Item = TypeVar("Item")

REST_S = 0.1  # a look at an empty queue is one index seek
TROUBLE_REST_S = 1.0


class Worker(ABC):
    """A queue's worker. Any number may run beside each other, in any number of processes."""

    def __init__(self, house: House, *, batch: int = 16) -> None:
        self.house = house
        self.batch = batch
        self._stopping = asyncio.Event()

    @property
    def name(self) -> str:
        return type(self).__name__

    @abstractmethod
    async def run_once(self) -> int:
        """Does what is due now; how many items that was."""

    async def run(self) -> None:
        """Works until ``stop``; what was begun is finished."""
        while not self._stopping.is_set():
            try:
                done = await self.run_once()
                pause_s = 0.0 if done else REST_S
            except Exception:  # the queue may be out of reach for a while; a loop never dies of it
                log.exception("worker in trouble", worker=self.name)
                pause_s = TROUBLE_REST_S
            await self._rest(pause_s)

    def stop(self) -> None:
        self._stopping.set()

    async def _rest(self, pause_s: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), timeout=pause_s or 0.001)
        except TimeoutError:
            return

    async def each(self, items: Iterable[Item], do: Callable[[Item], Awaitable[object]]) -> int:
        """Does all items side by side; one that fails is logged and leaves the others alone."""
        listed = list(items)
        results = await asyncio.gather(*(do(item) for item in listed), return_exceptions=True)
        for item, result in zip(listed, results, strict=True):
            if isinstance(result, Exception):
                log.error("item failed", worker=self.name, item=repr(item)[:200], exc_info=result)
            elif isinstance(result, BaseException):
                raise result
        return len(listed)
