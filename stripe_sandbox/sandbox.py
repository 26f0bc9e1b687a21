"""The sandbox: its state, the handlers, the scheduler and the sender of webhooks."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from stripe_sandbox.call import Call, execute
from stripe_sandbox.registry import Registry
from stripe_sandbox.scheduler import Scheduler
from stripe_sandbox.state import State
from stripe_sandbox.store import Store
from stripe_sandbox.webhooks import Webhooks

Answer = TypeVar("Answer")


class Sandbox:
    """Everything behind the HTTP surface; `execute` is the one way to change it."""

    def __init__(self, registry: Registry, store: Store) -> None:
        self.registry = registry
        self.state = State(store)
        self.store = store
        self.clock = self.state.clock
        self.platform = self.state.platform
        self.webhooks = Webhooks(self.state)
        self.scheduler = Scheduler(self.state, registry, self.webhooks)
        self.on_reset: list[Callable[[], None]] = []
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load scheduled tasks and deliveries, and start the scheduler."""
        self.scheduler.load()
        self.state.idempotency.forget_expired()
        await self.webhooks.start()
        self._loop = asyncio.create_task(self.scheduler.run())

    async def stop(self) -> None:
        """Stop the scheduler, abandon attempts in progress, close the file."""
        if self._loop:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
        # Deliveries that are abandoned here are repeated after the next start.
        await self.scheduler.stop()
        await self.webhooks.stop()
        self.store.close()

    def execute(
        self,
        account: str,
        action: Callable[[Call], Answer],
        *,
        params: Mapping[str, Any] | None = None,
        path: Mapping[str, str] | None = None,
    ) -> Answer:
        """Run an action in a transaction of its own; an exception discards its changes."""
        reactions = self.registry.reactions
        return execute(self.state, reactions, account, action, params=params, path=path)

    def reset(self) -> None:
        """Forget everything but the platform's id, then prepare the sandbox as at its start."""
        self.state.clear()
        for prepare in self.on_reset:
            prepare()
