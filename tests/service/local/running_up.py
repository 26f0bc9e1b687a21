"""`escrow up` as a person starts it, for tests: its process, what it said, and what it left."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from escrow.client import EscrowClient, connect
from service.local.identities import YOU, Identities

ROOT = Path(__file__).parents[3]
READY_WITHIN_S = 100.0  # the story included, on two cores that others use too
ENDED_WITHIN_S = 60.0  # likewise


async def until(
    condition: Callable[[], object], what: Callable[[], object], within_s: float
) -> None:
    """Asks again and again until the answer is true."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, what()
        await asyncio.sleep(0.05)


class Up:
    """A running `escrow up`."""

    def __init__(self, folder: Path, *options: str, environment: dict[str, str]) -> None:
        self.data_dir = folder / "data"
        self.log = folder / "up.log"
        self._options = options
        self._environment = environment
        self.process: Process

    async def start(self, *, ready: str) -> None:
        with self.log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command(self.data_dir),
                *self._options,
                cwd=ROOT,
                env=environment() | self._environment,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
            )
        await until(lambda: self._is_ready(ready), self.said, READY_WITHIN_S)

    def said(self) -> str:
        return self.log.read_text()

    def addresses(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.data_dir / "up.json").read_text())
        return told

    async def interrupt(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), ENDED_WITHIN_S)

    def _is_ready(self, ready: str) -> bool:
        assert self.process.returncode is None, self.said()
        return ready in self.said()


def calling(
    told: dict[str, Any], *, deadline_s: float = 10
) -> AbstractAsyncContextManager[EscrowClient]:
    """A client that proves who it is as a person does who pastes what is printed."""
    own = Identities(Path(told["tls"])).files(YOU)
    return connect(
        told["grpc"], tenant="default", caller=YOU, credentials=own, deadline_s=deadline_s
    )


def command(data_dir: Path) -> list[str]:
    ports = [f"--{name}-port=0" for name in ("grpc", "gateway", "sandbox")]
    return [sys.executable, "-m", "service", "up", f"--data-dir={data_dir}", *ports]


def environment() -> dict[str, str]:
    """Ours, without what would configure the programs behind the test's back."""
    ours = ("ESCROW_", "STRIPE_", "OTEL_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


async def run(*arguments: str, **more: str) -> tuple[int, str]:
    """Runs a program to its end: (exit status, output)."""
    process = await asyncio.create_subprocess_exec(
        *arguments, cwd=ROOT, env=environment() | more, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), ENDED_WITHIN_S)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def descendants(pid: int) -> set[int]:
    _, listed = await run("ps", "-eo", "pid=,ppid=")
    children: dict[int, list[int]] = {}
    for child, parent in (map(int, line.split()) for line in listed.splitlines()):
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    left = [pid]
    while left:
        new = children.get(left.pop(), [])
        found.update(new)
        left += new
    return found


def alive(pids: set[int]) -> set[int]:
    found = set()
    for pid in pids:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        found.add(pid)
    return found


def listens(address: str) -> bool:
    host, _, port = address.removeprefix("http://").rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def postmasters(data_dir: Path) -> list[Path]:
    return list(data_dir.glob("postgres/server/data/postmaster.pid"))


@asynccontextmanager
async def running(
    folder: Path, *options: str, ready: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Up]:
    """One that is ready, and that ends with the test whatever becomes of it."""
    up = Up(folder, *options, environment=dict(environment or {}))
    try:
        await up.start(ready=ready)
        yield up
    finally:
        if up.process.returncode is None:
            await up.interrupt(signal.SIGTERM)
