"""What waits travels together: a batch leaves as soon as the way is free.

There is no timer to wait for. Alone, an item leaves at once; the busier it gets, the more items
share one call.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Passenger(NamedTuple, Generic[Item, Result]):
    item: Item
    arrived: asyncio.Future[Result]


class Batches(Generic[Item, Result]):
    """Sends items in the order of their arrival, at most ``most`` and ``most_bytes`` together.

    ``send`` answers each item of a batch in order, with a result or an exception of its own; what
    it raises, all of them raise. One batch is under way at a time, but none keeps the others
    waiting for longer than ``patience_s`` seconds: one that hangs is overtaken.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        bytes_of: Callable[[Item], int],
        most: int,
        most_bytes: int,
        patience_s: float,
    ) -> None:
        self._send = send
        self._bytes_of = bytes_of
        self._most = most
        self._most_bytes = most_bytes
        self._patience_s = patience_s
        self._waiting: deque[_Passenger[Item, Result]] = deque()
        self._driver: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def join(self, item: Item) -> Result:
        """Travels with the next batch. Who is canceled while waiting does not travel; who is
        canceled on the way does, and gets no answer.
        """
        arrived: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Passenger(item, arrived))
        if self._driver is None:
            self._driver = asyncio.create_task(self._drive())
        return await arrived

    async def close(self) -> None:
        """Gives up what is under way; for when no delivery waits any longer."""
        tasks = [*self._under_way, *([self._driver] if self._driver else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _drive(self) -> None:
        try:
            while batch := self._board():
                travel = asyncio.create_task(self._travel(batch))
                self._under_way.add(travel)
                travel.add_done_callback(self._under_way.discard)
                await asyncio.wait([travel], timeout=self._patience_s)
        finally:
            self._driver = None

    async def _travel(self, batch: Sequence[_Passenger[Item, Result]]) -> None:
        try:
            results = await self._send([passenger.item for passenger in batch])
        except Exception as error:  # noqa: BLE001  whatever it is, no item may wait for ever
            results = [error] * len(batch)
        for passenger, result in zip(batch, results, strict=True):
            if passenger.arrived.done():
                continue
            if isinstance(result, Exception):
                passenger.arrived.set_exception(result)
            else:
                passenger.arrived.set_result(result)

    def _board(self) -> list[_Passenger[Item, Result]]:
        """The next batch. An item that is too large for any leaves alone."""
        batch: list[_Passenger[Item, Result]] = []
        free_bytes = self._most_bytes
        while self._waiting and len(batch) < self._most:
            if self._waiting[0].arrived.done():
                self._waiting.popleft()
                continue
            free_bytes -= self._bytes_of(self._waiting[0].item)
            if batch and free_bytes < 0:
                break
            batch.append(self._waiting.popleft())
        return batch
