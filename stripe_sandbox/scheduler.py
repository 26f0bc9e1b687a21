"""Runs tasks and attempts deliveries when the virtual clock reaches them.

Tasks are objects (`_task`), so they survive a restart with everything else. The loop sleeps in
real time until the next task or delivery is due. Advancing the clock runs everything up to the new
instant in order and waits for the deliveries it caused.
"""

import asyncio
import logging

from stripe_sandbox.call import Call, execute
from stripe_sandbox.registry import Registry
from stripe_sandbox.state import State
from stripe_sandbox.store import Key
from stripe_sandbox.webhooks import Webhooks

logger = logging.getLogger(__name__)


class Scheduler:
    """Runs the tasks and attempts the deliveries of one sandbox as they become due."""

    def __init__(self, state: State, registry: Registry, webhooks: Webhooks) -> None:
        self._state = state
        self._registry = registry
        self._webhooks = webhooks
        self._agenda = state.agenda
        self._in_flight: set[asyncio.Task[None]] = set()

    def load(self) -> None:
        """Put the tasks that the store remembers on the agenda."""
        for account in self._state.store.accounts_with("_task"):
            for task in self._state.store.newest_first(account, "_task"):
                self._agenda.add(task["due"], (account, "_task", task["id"]))

    async def run(self) -> None:
        """Carry out what is due as real time passes, for ever."""
        while True:
            self._run_due(self._state.clock.now())
            self._agenda.changed.clear()
            due = self._agenda.next_due()
            wait_s = due - self._state.clock.now() if due is not None else None
            try:
                # A coarse upper bound keeps an enormous wait away from the event loop's clock.
                await asyncio.wait_for(
                    self._agenda.changed.wait(), min(wait_s, 3600) if wait_s else wait_s
                )
            except TimeoutError:
                continue

    async def advance(self, seconds: float) -> None:
        """Move the clock forward, stopping at everything that becomes due on the way."""
        clock = self._state.clock
        target = clock.now() + seconds
        await self._landed()
        while (due := self._agenda.next_due()) is not None and due <= max(target, clock.now()):
            clock.move_to(due)
            self._run_due(due)
            # A delivery may schedule work, such as its retry, that is due before the target.
            await self._landed()
        clock.move_to(target)
        self._state.remember_clock()
        self._agenda.changed.set()

    async def stop(self) -> None:
        """Abandon the work that is in flight."""
        for work in self._in_flight:
            work.cancel()
        await self._landed()

    async def _landed(self) -> None:
        while self._in_flight:
            await asyncio.wait(self._in_flight)

    def _run_due(self, instant: float) -> None:
        while (key := self._agenda.take_due(instant)) is not None:
            self._carry_out(key)

    def _carry_out(self, key: Key) -> None:
        account, kind, object_id = key
        if kind == "_task":
            self._run_task(account, object_id)
            return
        attempt = asyncio.create_task(self._webhooks.attempt(object_id))
        self._in_flight.add(attempt)
        attempt.add_done_callback(self._in_flight.discard)

    def _run_task(self, account: str, task_id: str) -> None:
        def run(call: Call) -> None:
            task = call.find("_task", task_id)
            if task is None:
                return  # canceled, or forgotten by a reset
            call.remove("_task", task_id)
            self._registry.tasks[task["name"]](call, **task["arguments"])

        reactions = self._registry.reactions
        try:
            execute(self._state, reactions, account, run)
        except Exception:
            # A task that fails is a bug of the sandbox; it must not stop the others.
            logger.exception("task %s failed", task_id)
            execute(self._state, reactions, account, lambda call: call.remove("_task", task_id))
