"""What is due when: the keys of the tasks and deliveries that wait for the virtual clock.

The agenda is only a queue. `scheduler.py` takes out the keys that are due and runs the tasks and
deliveries behind them, so that a call can schedule a task without importing its handler.
"""

import asyncio
import heapq
import itertools

from stripe_sandbox.store import Key


class Agenda:
    """Keys of stored objects (`_task`, `_delivery`), ordered by the instant they are due."""

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, Key]] = []
        self._sequence = itertools.count()
        self.changed = asyncio.Event()
        """Set when something was added, so that the scheduler looks again."""

    def add(self, due: float, key: Key) -> None:
        """Put an object on the agenda; what is due at the same instant keeps its order."""
        heapq.heappush(self._queue, (due, next(self._sequence), key))
        self.changed.set()

    def next_due(self) -> float | None:
        """When the first object is due; None when the agenda is empty."""
        return self._queue[0][0] if self._queue else None

    def take_due(self, instant: float) -> Key | None:
        """Remove and return the first object if it is due at `instant`."""
        if self._queue and self._queue[0][0] <= instant:
            return heapq.heappop(self._queue)[2]
        return None

    def clear(self) -> None:
        """Forget everything that is queued."""
        self._queue.clear()
