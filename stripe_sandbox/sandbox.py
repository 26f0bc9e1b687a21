"""The sandbox: one platform account, its clock, its state and everything that runs on it."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from stripe_sandbox.call import NO_REQUEST, Call, Cause
from stripe_sandbox.chaos import Chaos
from stripe_sandbox.clock import VirtualClock
from stripe_sandbox.faults import Faults
from stripe_sandbox.idempotency import IdempotencyKeys
from stripe_sandbox.ids import token
from stripe_sandbox.params import Params
from stripe_sandbox.registry import Registry
from stripe_sandbox.scheduler import Scheduler
from stripe_sandbox.store import Json, Store
from stripe_sandbox.traffic import Traffic
from stripe_sandbox.webhooks import Webhooks

Answer = TypeVar("Answer")

# Facts about the sandbox itself are objects too; they belong to no account.
NO_ACCOUNT = ""
DEFAULT_CAPTURE_DELAY_S = 1.5


class Sandbox:
    """Everything behind the HTTP surface; `execute` is the one way to change it."""

    def __init__(self, registry: Registry, store: Store) -> None:
        self.registry = registry
        self.store = store
        self.public_url = ""
        self.capture_delay_s = DEFAULT_CAPTURE_DELAY_S
        self.platform = self._remembered_platform()
        self.clock = VirtualClock(self._meta("clock").get("offset_s", 0.0))
        self.scheduler = Scheduler(self)
        self.webhooks = Webhooks(self)
        self.faults = Faults()
        self.chaos = Chaos()
        self.traffic = Traffic()
        self.idempotency = IdempotencyKeys(self)
        self.on_reset: list[Callable[[], None]] = []
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up scheduled tasks and deliveries, and let time pass."""
        self.scheduler.load()
        self.idempotency.forget_expired()
        await self.webhooks.start()
        self._loop = asyncio.create_task(self.scheduler.run())

    async def stop(self) -> None:
        """Stop the clock's work, abandon attempts in progress, close the file."""
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
        cause: Cause = NO_REQUEST,
    ) -> Answer:
        """Run an action in a transaction of its own; an exception leaves nothing behind."""
        transaction = self.store.begin()
        call = Call(self, transaction, account, Params(params or {}), path or {}, cause)
        answer = action(call)
        transaction.commit()
        return answer

    def remember_clock(self) -> None:
        """Keep how far the clock is ahead, for the next start."""
        self._write_meta("clock", offset_s=self.clock.offset_s)

    def reset(self) -> None:
        """Forget every object, task, delivery, key and fault; the platform keeps its id."""
        self.store.clear()
        self.scheduler.clear()
        self.faults.clear()
        self.chaos.clear()
        self.traffic.clear()
        self.webhooks.held = False
        self.capture_delay_s = DEFAULT_CAPTURE_DELAY_S
        self._write_meta("platform", account=self.platform)
        self.remember_clock()
        for prepare in self.on_reset:
            prepare()

    def _remembered_platform(self) -> str:
        account = self._meta("platform").get("account")
        if account is None:
            account = f"acct_1{token(15)}"
            self._write_meta("platform", account=account)
        return str(account)

    def _meta(self, name: str) -> dict[str, Any]:
        return self.store.read(NO_ACCOUNT, "_meta", name) or {}

    def _write_meta(self, name: str, **facts: Json) -> None:
        record = {"object": "_meta", "id": name, **facts}
        self.store.write({(NO_ACCOUNT, "_meta", name): record})
