"""Turns: operations of one process on one aggregate go one after another, in the order they came.

A turn is an order and no lock: versions decide, among processes as within one. It only spares those
who would be overtaken the work of racing. Alone, an operation pays a look into a dictionary.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextvars import Context
from typing import TypeAlias

from service.admission import aside
from service.domain.unit import UnitOfWork
from service.waiting import Line

# An operation takes milliseconds. One whose connection hangs is overtaken, as by another process.
PATIENCE_S = 1.0

Held: TypeAlias = list[Hashable]
"""The aggregates whose turn it is for one operation, through all its runs."""


class _Queue:
    """Those that wait for one aggregate; there is one only while somebody does."""

    __slots__ = ("line", "moved_at", "watch")

    def __init__(self, now: float) -> None:
        self.line: Line[Held] = Line("aggregate")
        self.moved_at = now
        self.watch: asyncio.TimerHandle | None = None


class Turns:
    """Whose turn it is, by aggregate, and who waits for it."""

    def __init__(self) -> None:
        self._holders: dict[Hashable, Held] = {}
        self._queues: dict[Hashable, _Queue] = {}

    async def take(self, unit: UnitOfWork, aggregate: Hashable) -> bool:
        """Waits until it is the operation's turn at an aggregate of its tenant; whether it waited.

        Who has a turn waits for no other: two might wait for each other. ``give_up`` ends it.

        Raises:
            Overloaded, DeadlineExpired: see ``Line.join``.
        """
        held = unit.turns
        if held is None:
            return False
        key = unit.call.tenant_id, aggregate
        holder = self._holders.get(key)
        if holder is None:
            self._holders[key] = held
            held.append(key)
            return False
        if holder is held:
            return False
        if key in held:  # overtaken since
            held.remove(key)
        if held:
            return False
        await self._wait(key, held, unit.call.answer_by)
        return True

    def give_up(self, held: Held) -> None:
        """The next ones' turn."""
        for key in held:
            if self._holders.get(key) is held:
                self._pass_on(key)

    async def _wait(self, key: Hashable, held: Held, answer_by: float) -> None:
        queue = self._queues.get(key)
        if queue is None:
            loop = asyncio.get_running_loop()
            queue = self._queues[key] = _Queue(loop.time())
            queue.watch = loop.call_later(PATIENCE_S, self._look, key, queue, context=Context())
        with aside():
            await queue.line.join(held, answer_by)

    def _pass_on(self, key: Hashable) -> None:
        del self._holders[key]
        queue = self._queues.get(key)
        if queue is None:
            return

        def take(held: Held) -> None:
            self._holders[key] = held
            held.append(key)

        queue.line.call_next(take)
        queue.moved_at = asyncio.get_running_loop().time()
        if not queue.line:
            del self._queues[key]
            if queue.watch is not None:
                queue.watch.cancel()

    def _look(self, key: Hashable, queue: _Queue) -> None:
        """Overtakes an operation that hangs while others wait."""
        loop = asyncio.get_running_loop()
        patience_s = queue.moved_at + PATIENCE_S - loop.time()
        if patience_s <= 0:
            self._pass_on(key)
            patience_s = PATIENCE_S
        if self._queues.get(key) is queue:
            queue.watch = loop.call_later(patience_s, self._look, key, queue, context=Context())
