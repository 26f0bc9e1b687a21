"""The programs of a run: started, asked how much CPU they used, and ended."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from benchmarks.clocks import cpu_s
from benchmarks.jobs import Answer

ROOT = Path(__file__).parent.parent
STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 40.0


class ProgramFailed(Exception):
    """A program of the run did not start, or ended early. The message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A process of the run."""

    process: asyncio.subprocess.Process

    def cpu_s(self) -> float:
        """User and system time since it started."""
        return cpu_s(self.process.pid)

    def resident_bytes(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)


@dataclass(frozen=True, slots=True)
class Program(Measured):
    """A process that listens. ``address`` is what it printed."""

    address: str


@dataclass(frozen=True, slots=True)
class JobProgram(Measured):
    """A process that runs jobs; see ``benchmarks.jobs``."""

    async def run(self, job: Mapping[str, object]) -> Answer:
        """Runs one job. Raises ProgramFailed if it fails; standard error says why."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(dict(job)).encode() + b"\n")
        line = await self.process.stdout.readline()
        if not line:
            raise ProgramFailed(f"a program of the run ended in {job}")
        answer: Answer = json.loads(line)
        return answer


@asynccontextmanager
async def program(
    arguments: Sequence[str], *, says: str, folder: Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Runs ``python <arguments>`` until the end of the block; ``says`` finds its address.

    Raises:
        ProgramFailed: it did not print its address in time.
    """
    name = "-".join(arguments[-3:]).replace("/", "_")[-60:]
    log = folder / f"{name}-{os.urandom(3).hex()}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments),
            cwd=ROOT,
            env=environment(env or {}),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    try:
        yield Program(process, await _address(process, says, log))
    finally:
        await _end(process)


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, without variables that would change the figures."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ESCROW_", "STRIPE_", "OTEL_", "GRPC_")) or name == "ESCROW_PG_BIN"
    }
    return {**kept, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto'}", **more}


async def _address(process: asyncio.subprocess.Process, says: str, log: Path) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(STARTS_WITHIN_S):
            while line := (await process.stdout.readline()).decode():
                if found := re.search(says, line):
                    return found[1]
    except TimeoutError:
        pass
    raise ProgramFailed(f"a program of the run did not start:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-12:])


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(ENDS_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


@asynccontextmanager
async def job_program(
    module: str, *, env: Mapping[str, str] | None = None
) -> AsyncIterator[JobProgram]:
    """Runs ``python -m <module>`` until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        cwd=ROOT,
        env=environment(env or {}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,  # a line has the latency of every call
    )
    try:
        yield JobProgram(process)
    finally:
        await _end(process)
