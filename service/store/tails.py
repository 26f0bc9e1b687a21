"""Waits for numbers that grow: a tenant's last position, an escrow's version.

However many wait in this process, one statement looks for all of them, and none while nobody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from contextvars import Context
from typing import Generic, TypeVar

import structlog

from service.domain.errors import DatabaseUnavailable

log = structlog.get_logger()
Key = TypeVar("Key", bound=Hashable)

POLL_S = 0.1
TROUBLE_POLL_S = 1.0


def log_trouble(cause: Exception | None) -> None:
    if cause is None:
        log.info("streams go on")
    elif isinstance(cause, DatabaseUnavailable):
        log.warning("streams wait for the database", cause=str(cause.__cause__))
    else:
        log.error("streams in trouble", exc_info=cause)


class Tails(Generic[Key]):
    """``look`` answers the numbers of the keys that it is asked for; what it leaves out is 0.
    ``on_trouble`` is told once why looks fail now, and None once they go well again.
    """

    def __init__(self, look: Callable[[Collection[Key]], Awaitable[Mapping[Key, int]]]) -> None:
        self.on_trouble: Callable[[Exception | None], None] = log_trouble
        self._look = look
        self._waiting: dict[Key, dict[asyncio.Future[int], int]] = {}
        self._polling: asyncio.Task[None] | None = None
        self._trouble: type[Exception] | None = None

    async def other_than(self, key: Key, known: int) -> int:
        """Waits until the key's number is another one than the known one, and answers it. It is
        lower only where the database was restored.
        """
        changed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(key, {})
        waiting[changed] = known
        if self._polling is None:
            # It polls for all who wait, so it runs in none of their contexts.
            self._polling = asyncio.create_task(self._poll(), context=Context())
        try:
            return await changed
        finally:
            del waiting[changed]
            if not waiting and self._waiting.get(key) is waiting:
                del self._waiting[key]

    async def _poll(self) -> None:
        try:
            while self._waiting:
                pause_s = await self._tell()
                await asyncio.sleep(pause_s)
        finally:
            self._polling = None

    async def _tell(self) -> float:
        """Tells who waits what they wait for; for how long to rest afterwards. Who joins during a
        look is told by the next: this one may be older than what they know.
        """
        asking = {key: list(waiting.items()) for key, waiting in self._waiting.items()}
        try:
            numbers = await self._look(asking)
        except Exception as cause:  # noqa: BLE001  who waits goes on waiting; the next may go well
            self._notice(cause)
            return TROUBLE_POLL_S
        self._notice(None)
        for key, waiting in asking.items():
            number = numbers.get(key, 0)
            for changed, known in waiting:
                if number != known and not changed.done():
                    changed.set_result(number)
        return POLL_S

    def _notice(self, cause: Exception | None) -> None:
        trouble = None if cause is None else type(cause)
        if trouble is not self._trouble:
            self._trouble = trouble
            self.on_trouble(cause)
