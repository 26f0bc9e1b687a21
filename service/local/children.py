"""The processes that ``escrow up`` starts: each with its log, ended in reverse order.

They are in a process group of their own, so that Ctrl-C at the terminal reaches ``escrow up`` only,
which ends them in the right order. When `escrow up` itself is killed, the guard ends them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from service.local.causes import cause_in
from service.local.problem import LocalProblem

T = TypeVar("T")

READY_WITHIN_S = 60.0
DRAIN_S = 40.0  # above the service's own limit
POLL_S = 0.05


class ChildEnded(LocalProblem):
    """A part ended too early or did not get ready. The message is one line: why, and its log."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process; ``ended`` is done when it has ended, with its exit status."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    ended: asyncio.Task[int]


class Children:
    """Starts processes, watches them, and ends them in the reverse order of their start."""

    def __init__(self, logs: Path, on_ended: Callable[[str], None]) -> None:
        self._logs = logs
        self._on_ended = on_ended
        self._children: list[Child] = []
        self._guard: subprocess.Popen[bytes] | None = None
        self._held = -1  # held open by every child: the guard sees its end when all are gone

    async def __aenter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        program = Path(__file__).with_name("children_guard.py")
        read_end, self._held = os.pipe()
        self._guard = subprocess.Popen(  # noqa: ASYNC220 - it runs as long as we do
            [sys.executable, "-S", str(program), str(read_end)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
            pass_fds=[read_end],
        )
        os.close(read_end)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._guard is not None
        try:
            for child in reversed(self._children):
                await self._end(child)
                self._on_ended(child.name)
        finally:
            self._guard.kill()
            self._guard.communicate()
            os.close(self._held)

    async def start(self, name: str, module: str, *arguments: str, env: Mapping[str, str]) -> Child:
        """Starts ``python -m module arguments``; both its outputs go to its log."""
        assert self._guard is not None
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", module, *arguments),
                env=dict(env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=self._guard.pid,
                pass_fds=[self._held],
            )
        child = Child(name, process, log, asyncio.create_task(process.wait()))
        self._children.append(child)
        return child

    async def ready(self, child: Child, probe: Callable[[], Awaitable[bool]]) -> None:
        """Waits until the probe is true. Raises ChildEnded when that takes too long."""

        async def poll() -> None:
            while not await probe():  # noqa: ASYNC110 - another process answers, and sets no Event
                await asyncio.sleep(POLL_S)

        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self.while_alive(poll())
        except TimeoutError:
            raise ChildEnded(
                why_ended(f"{child.name} was not ready within {READY_WITHIN_S:.0f} s", child.log)
            ) from None

    async def while_alive(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of the work. Raises ChildEnded as soon as any process has ended."""
        task = asyncio.create_task(work)
        try:
            await asyncio.wait(
                [task, *(child.ended for child in self._children)],
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not task.done():
                self._raise_ended()
            return await task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    def kill(self) -> None:
        """Kills all of them at once, which is safe: no part loses data by a crash."""
        for child in self._children:
            if not child.ended.done():
                child.process.kill()

    def _raise_ended(self) -> None:
        for child in self._children:
            if child.ended.done():
                status = child.ended.result()
                how = (
                    f"with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
                )
                killed = status == -signal.SIGKILL  # and could not say why
                raise ChildEnded(why_ended(f"{child.name} ended {how}", child.log, silent=killed))

    @staticmethod
    async def _end(child: Child) -> None:
        if not child.ended.done():
            child.process.terminate()
        done, _ = await asyncio.wait([child.ended], timeout=DRAIN_S)
        if not done:
            child.process.kill()
            await child.ended


def why_ended(what: str, log: Path, *, silent: bool = False) -> str:
    """What happened to a part, why by its own words, and where the rest of them are."""
    known = not silent and log.exists()
    cause = cause_in(log.read_text(errors="replace")) if known else ""
    return f"{what}: {cause} (its log: {log})" if cause else f"{what} (its log: {log})"
