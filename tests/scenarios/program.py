"""A console program as a process of its own, started, restarted and killed by a test."""

import asyncio
import os
import re
import signal
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from tests import forked

ROOT = Path(__file__).parent.parent.parent
POLL_S = 0.02
DEADLINE_S = 30.0
START_DEADLINE_S = 60.0  # two cores, shared by everybody who tests

T = TypeVar("T")


async def until(
    condition: Callable[[], Awaitable[T]],
    what: str | Callable[[], object],
    deadline_s: float = DEADLINE_S,
) -> T:
    """Asks again and again until the answer is true, and returns it.

    Args:
        condition: what to ask.
        what: what is waited for, or a function that describes it, for the failure.
        deadline_s: after it the test fails.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_s
    while True:
        answer = await condition()
        if answer:
            return answer
        if loop.time() > deadline:
            described = what if isinstance(what, str) else what()
            raise AssertionError(f"after {deadline_s:.0f} s still no {described}")
        await asyncio.sleep(POLL_S)


class Program:
    """`python -m <module> <arguments>`. It is ready when its output matches `ready`."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: Mapping[str, str],
        folder: Path,
        ready: str,
    ) -> None:
        self.name = name
        self.environment = dict(environment)
        self.log = folder / f"{name}.log"
        self._command = command
        self._ready = re.compile(ready)
        self._process: forked.Forked | None = None
        self._log_start = 0

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> str:
        """Starts it and waits until it is ready; what the group of `ready` caught, or ""."""
        assert self._process is None, f"{self.name} runs already"
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            environment = _inherited() | self.environment
            self._process = await forked.start(
                self._command, environment, ROOT, out=log.fileno(), err=log.fileno()
            )
        found = await until(self._find_ready, self._describe, START_DEADLINE_S)
        assert found is not None
        return found.group(1) if found.groups() else ""

    async def stop(self) -> None:
        """SIGTERM: it drains and exits with 0."""
        status = await self._end(signal.SIGTERM)
        assert status == 0, f"{self.name} ended with {status}: {self.output()[-2000:]}"

    async def kill(self) -> None:
        """SIGKILL: whatever it was doing is cut off."""
        assert await self._end(signal.SIGKILL) == -signal.SIGKILL

    async def end(self) -> None:
        """Makes sure that it does not run, whatever happened before."""
        if self.is_running:
            await self._end(signal.SIGKILL)

    def output(self) -> str:
        """What it has written since it was started last."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        assert process is not None, f"{self.name} does not run"
        if process.returncode is None:
            process.send_signal(number)
        return await asyncio.wait_for(process.wait(), DEADLINE_S)

    async def _find_ready(self) -> re.Match[str] | None:
        assert self._process is not None
        if self._process.returncode is not None:
            raise AssertionError(f"{self.name} has ended: {self.output()[-3000:]}")
        return self._ready.search(self.output())

    def _describe(self) -> str:
        return f"{self.name} that is ready: {self.output()[-3000:]}"


async def run(command: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Runs a program to its end: (exit status, output)."""
    with tempfile.TemporaryFile() as log:
        process = await forked.start(
            command, _inherited() | dict(environment), ROOT, out=log.fileno(), err=log.fileno()
        )
        status = await asyncio.wait_for(process.wait(), START_DEADLINE_S)
        log.seek(0)
        return status, log.read().decode()


def _inherited() -> dict[str, str]:
    """Our environment without what would configure the programs behind a test's back."""
    ours = ("ESCROW_", "STRIPE_", "OTEL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONUNBUFFERED": "1"}
