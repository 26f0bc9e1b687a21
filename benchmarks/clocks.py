"""How much CPU a process has used, and all of PostgreSQL together. User and system time."""

from __future__ import annotations

import sys
import time

import asyncpg
import psutil  # type: ignore[import-untyped]  # its types are a package of their own


def cpu_s(pid: int) -> float:
    """Since the process started. Raises OSError or psutil.Error when there is none any more."""
    if sys.platform == "linux":
        # The clock of another process, as clock_getcpuclockid(3) names it: it has nanoseconds,
        # where /proc has ticks of ten milliseconds.
        return time.clock_gettime(~pid << 3 | 2)
    else:  # noqa: RET505  so that mypy knows the platform
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)


class PostgresClock:
    """The CPU time of a server: of its processes, and of those that ended."""

    def __init__(self, postmaster: psutil.Process) -> None:
        self._postmaster = postmaster

    @classmethod
    async def of(cls, connection: asyncpg.Connection) -> PostgresClock:
        """The clock of the server that the connection leads to, on this machine."""
        backend = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
        postmaster = backend.parent()
        assert postmaster is not None
        return cls(postmaster)

    def cpu_s(self) -> float:
        ended = self._postmaster.cpu_times()
        used_s = cpu_s(self._postmaster.pid) + ended.children_user + ended.children_system
        for child in self._postmaster.children():
            try:
                used_s += cpu_s(child.pid)
            except (OSError, psutil.Error):
                continue  # it ended just now
        return float(used_s)
