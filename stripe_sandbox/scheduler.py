"""What happens later: tasks and deliveries, run when the virtual clock reaches them.

Tasks are objects (`_task`), so they survive a restart with everything else. The loop sleeps in
real time until the next one is due; advancing the clock runs everything up to the new instant in
order and waits for the deliveries it caused, so that afterwards the world has caught up.
"""

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stripe_sandbox.ids import new_id
from stripe_sandbox.store import StripeObject

if TYPE_CHECKING:
    from stripe_sandbox.call import Call
    from stripe_sandbox.sandbox import Sandbox

logger = logging.getLogger(__name__)

# An action runs when it is due; what it returns is work that goes on, a delivery's HTTP call.
Action = Callable[[], asyncio.Task[None] | None]


class Scheduler:
    """A queue of actions by virtual time."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self._queue: list[tuple[float, int, Action]] = []
        self._sequence = itertools.count()
        self._changed = asyncio.Event()
        self._in_flight: set[asyncio.Task[None]] = set()

    def add(
        self, call: "Call", delay_s: float, name: str, arguments: dict[str, Any]
    ) -> StripeObject:
        """Schedule a registered task within the call's transaction."""
        task = {
            "id": new_id("task"),
            "object": "_task",
            "due": self._sandbox.clock.now() + delay_s,
            "name": name,
            "arguments": arguments,
        }
        call.add(task)
        call.transaction.after_commit(lambda: self._queue_task(call.account, task))
        return task

    def at(self, due: float, action: Action) -> None:
        """Run an action at a virtual instant; it is lost if the sandbox stops before."""
        heapq.heappush(self._queue, (due, next(self._sequence), action))
        self._changed.set()

    def load(self) -> None:
        """Queue the tasks that the store remembers."""
        for account in self._sandbox.store.accounts_with("_task"):
            for task in self._sandbox.store.newest_first(account, "_task"):
                self._queue_task(account, task)

    def clear(self) -> None:
        """Forget everything that is queued."""
        self._queue.clear()

    async def run(self) -> None:
        """Run actions as real time passes, for ever."""
        while True:
            self._run_due(self._sandbox.clock.now())
            self._changed.clear()
            wait_s = self._queue[0][0] - self._sandbox.clock.now() if self._queue else None
            try:
                # A coarse upper bound keeps an enormous wait away from the event loop's clock.
                await asyncio.wait_for(
                    self._changed.wait(), min(wait_s, 3600) if wait_s else wait_s
                )
            except TimeoutError:
                continue

    async def advance(self, seconds: float) -> None:
        """Move the clock forward, stopping at everything that becomes due on the way."""
        clock = self._sandbox.clock
        target = clock.now() + seconds
        await self._landed()
        while self._queue and self._queue[0][0] <= max(target, clock.now()):
            due = self._queue[0][0]
            clock.move_to(due)
            self._run_due(due)
            # What a delivery leads to, its retry above all, may be due before the target too.
            await self._landed()
        clock.move_to(target)
        self._sandbox.remember_clock()
        self._changed.set()

    async def stop(self) -> None:
        """Abandon the work that is in flight."""
        for work in self._in_flight:
            work.cancel()
        await self._landed()

    async def _landed(self) -> None:
        while self._in_flight:
            await asyncio.wait(self._in_flight)

    def _run_due(self, instant: float) -> None:
        while self._queue and self._queue[0][0] <= instant:
            _, _, action = heapq.heappop(self._queue)
            work = action()
            if work is not None:
                self._in_flight.add(work)
                work.add_done_callback(self._in_flight.discard)

    def _queue_task(self, account: str, task: StripeObject) -> None:
        self.at(task["due"], lambda: self._run_task(account, task["id"]))

    def _run_task(self, account: str, task_id: str) -> None:
        def execute(call: "Call") -> None:
            task = call.find("_task", task_id)
            if task is None:
                return  # canceled, or forgotten by a reset
            call.remove("_task", task_id)
            self._sandbox.registry.tasks[task["name"]](call, **task["arguments"])

        try:
            self._sandbox.execute(account, execute)
        except Exception:
            # A task that fails is a bug of the sandbox; it must not stop the others.
            logger.exception("task %s failed", task_id)
            self._sandbox.execute(account, lambda call: call.remove("_task", task_id))
