"""A lane: work of concurrent requests that leaves together, as soon as the way is free.

Whoever comes while a batch is under way waits for the next one. There is no timer: alone, an item
leaves at once; among others, when no other is about to join. The busier it gets, the more items
share one round trip and one flush.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from contextvars import Context
from time import perf_counter
from typing import Generic, NamedTuple, TypeVar

from opentelemetry.trace import Span, get_current_span

from service.store.tracing import Batches

# A batch takes milliseconds. One connection may hang until its timeout, or wait for a row that
# a person in psql has locked, and no other request must wait behind that.
PATIENCE_S = 1.0
# A batch leaves when so many turns of the event loop in a row have brought no item: a request takes
# some of them from the network to its lane. They are microseconds, and none for who is alone.
QUIET_TURNS = 16
# Not everybody at once: while one batch is at PostgreSQL, Python gets the next one ready.
MOST = 24

Item = TypeVar("Item")
Result = TypeVar("Result")


def halves(batch: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Item]]:
    """A batch that failed, to be tried again in two."""
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


class _Passenger(NamedTuple, Generic[Item, Result]):
    item: Item
    keys: frozenset[Hashable]
    arrived: asyncio.Future[Result]
    span: Span
    joined_s: float


class Lane(Generic[Item, Result]):
    """Runs ``run`` on batches of at most ``most`` items, one batch at a time.

    ``run`` answers each item of a batch in order, with a result or an exception of its own. Two
    items that share one of ``keys_of`` never travel together. ``batches`` records them. A batch
    that is under way for longer than ``patience_s`` seconds is overtaken by the items that wait.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        batches: Batches,
        keys_of: Callable[[Item], Iterable[Hashable]] = lambda _: (),
        most: int = MOST,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._run = run
        self._batches = batches
        self._keys_of = keys_of
        self._most = most
        self._patience_s = patience_s
        self._waiting: deque[_Passenger[Item, Result]] = deque()
        self._driver: asyncio.Task[None] | None = None
        self._left_s = 0.0
        self._overtaken: set[asyncio.Task[None]] = set()
        self._watch: asyncio.TimerHandle | None = None

    async def join(self, item: Item) -> Result:
        """Travels with the next batch. Who is canceled while waiting does not travel; who is
        canceled on the way does, and gets no answer.
        """
        arrived: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        keys = frozenset(self._keys_of(item))
        self._waiting.append(_Passenger(item, keys, arrived, get_current_span(), perf_counter()))
        if self._driver is None:
            self._start_driver()
        elif self._watch is None:
            self._watch_for(self._patience_s)
        return await arrived

    def _start_driver(self) -> None:
        if self._driver is not None:
            self._overtaken.add(self._driver)
            self._driver.add_done_callback(self._overtaken.discard)
        self._left_s = perf_counter()
        # It drives for all items, so it runs in none of their contexts.
        self._driver = asyncio.create_task(self._drive(), context=Context())

    def _watch_for(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._watch = loop.call_later(seconds, self._look, context=Context())

    def _look(self) -> None:
        """Overtakes a batch that hangs while items wait."""
        self._watch = None
        if self._driver is None or not self._waiting:
            return
        patience_s = self._left_s + self._patience_s - perf_counter()
        if patience_s <= 0:
            self._start_driver()
            patience_s = self._patience_s
        self._watch_for(patience_s)

    async def _drive(self) -> None:
        me = asyncio.current_task()
        try:
            while self._driver is me and (batch := self._board()):
                self._left_s = perf_counter()
                await self._travel(batch)
                if self._waiting or len(batch) > 1:  # an item that is alone waits for none
                    await self._let_join()
        finally:
            if self._driver is me:
                self._driver = None

    async def _let_join(self) -> None:
        """Lets the items join that are about to, before the next batch leaves. A busy loop would
        else send them nearly one by one: the database is back before the next request was read.
        """
        quiet = 0
        while quiet < QUIET_TURNS and len(self._waiting) < self._most:
            known = len(self._waiting)
            await asyncio.sleep(0)
            quiet = 0 if len(self._waiting) > known else quiet + 1

    async def _travel(self, batch: Sequence[_Passenger[Item, Result]]) -> None:
        outcomes: Sequence[tuple[_Passenger[Item, Result], Result | Exception]]
        try:
            run = self._run([passenger.item for passenger in batch])
            results = await self._batches.follow(batch, run)
            outcomes = list(zip(batch, results, strict=True))  # to each item its own result
        except asyncio.CancelledError:  # from within, or because the event loop ends
            for passenger in batch:
                passenger.arrived.cancel()
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, no item may wait for ever
            outcomes = [(passenger, error) for passenger in batch]
        for passenger, result in outcomes:
            if passenger.arrived.done():
                continue
            if isinstance(result, Exception):
                passenger.arrived.set_exception(result)
            else:
                passenger.arrived.set_result(result)

    def _board(self) -> list[_Passenger[Item, Result]]:
        """The next batch: in the order of arrival, without two that touch the same."""
        batch: list[_Passenger[Item, Result]] = []
        taken: set[Hashable] = set()
        left: deque[_Passenger[Item, Result]] = deque()
        while self._waiting and len(batch) < self._most:
            passenger = self._waiting.popleft()
            if passenger.arrived.done():
                continue
            if taken.isdisjoint(passenger.keys):
                batch.append(passenger)
            else:
                left.append(passenger)
            taken |= passenger.keys
        self._waiting.extendleft(reversed(left))
        return batch
