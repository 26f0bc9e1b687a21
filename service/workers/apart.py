"""Work without a lease: to do it twice changes nothing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from service.runtime import Runtime
from service.workers.loop import Worker

Item = TypeVar("Item")


class Apart(Worker[Item]):
    """A process has each item in one slot at a time: while Stripe is slow to answer for one, that
    would else fill every slot.
    """

    def __init__(self, runtime: Runtime, *, slots: int = 16) -> None:
        super().__init__(runtime, slots=slots)
        self._at_work: set[UUID] = set()

    async def take(self, limit: int) -> list[Item]:
        found = await self.find(limit + len(self._at_work))
        free = [item for item in found if self.key_of(item) not in self._at_work][:limit]
        self._at_work |= {self.key_of(item) for item in free}
        return free

    async def do(self, item: Item) -> None:
        try:
            await self.work_on(item)
        finally:
            self._at_work.discard(self.key_of(item))

    @abstractmethod
    async def find(self, limit: int) -> Sequence[Item]:
        """What is due, the longest first."""

    @abstractmethod
    def key_of(self, item: Item) -> UUID:
        """By what an item is known."""

    @abstractmethod
    async def work_on(self, item: Item) -> None:
        """Does it."""
