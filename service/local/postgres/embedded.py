"""A private PostgreSQL for development, the demo, tests and benchmarks. Production brings its own.

    with EmbeddedPostgres(Path(".escrow/postgres")) as postgres:
        connection = await asyncpg.connect(postgres.dsn("escrow"))

Any number of processes may use one directory at the same time. Each holds a shared lock as long
as it runs, and the last one to leave stops the server. The kernel drops the lock of a process that
was killed, and a small watcher process stops the server when no user is left.

The directory holds the locks and `server/`: all that the server itself touches.

This module needs only the standard library, so that the watcher starts fast and without an
environment.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from service.local.postgres.programs import EmbeddedPostgresError
from service.local.postgres.server import OWNER, PostgresServer

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]


class EmbeddedPostgres:
    """One user's hold on the server of `directory`, which is initialised and started when needed.

    `settings`, `max_connections` and `tcp_port` (on 127.0.0.1, besides the unix socket) apply to
    the user that starts the server; a later user shares it as it is.
    """

    def __init__(
        self,
        directory: Path,
        *,
        settings: Mapping[str, str] | None = None,
        max_connections: int = 100,
        tcp_port: int | None = None,
        binaries: Path | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.server = PostgresServer(
            self.directory / "server",
            settings={**(settings or {}), "max_connections": str(max_connections)},
            tcp_port=tcp_port,
            binaries=binaries,
        )
        self._hold = ExitStack()  # the locks that make this process a user
        self._start_lock = self.directory / "start.lock"  # taken around init, start and stop
        self._users_lock = self.directory / "users.lock"  # shared by users, probed under start.lock
        # Shared by users too. Only the watcher waits for it, so it does not disturb a probe.
        self._watched_lock = self.directory / "watched.lock"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def binaries(self) -> Path:
        """The folder of `postgres`, `pg_dump` and the rest, readable by the server's user."""
        return self.server.binaries

    def dsn(self, database: str = "postgres", user: str = OWNER) -> str:
        """A DSN for asyncpg and libpq over the unix socket, where every role is trusted."""
        return self.server.dsn(database, user)

    def tcp_dsn(self, database: str = "postgres") -> str:
        """A DSN for the owner over loopback TCP, with the password of this directory."""
        return self.server.tcp_dsn(database)

    def start(self) -> None:
        """Join the users of this directory, and start the server if it does not run yet."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            for lock in (self._start_lock, self._users_lock, self._watched_lock):
                lock.touch()
            with ExitStack() as hold, _flock(self._start_lock, fcntl.LOCK_EX):
                hold.enter_context(_flock(self._users_lock, fcntl.LOCK_SH))
                hold.enter_context(_flock(self._watched_lock, fcntl.LOCK_SH))
                if not self.server.is_running():
                    self.server.prepare()
                    self._start_watcher()
                    self.server.launch()
                self._hold = hold.pop_all()
        except PermissionError as error:
            raise EmbeddedPostgresError(
                f"{error.filename} belongs to another user: run as that user, or remove it"
            ) from error

    def stop(self) -> None:
        """Leave, and stop the server if no other process uses it. Returns when it has stopped."""
        with _flock(self._start_lock, fcntl.LOCK_EX):
            self._hold.close()
            self._stop_if_unused()

    def watch(self) -> None:
        """Wait until the last user is gone; stop the server if they did not do it themselves."""
        stopped = False
        with suppress(FileNotFoundError):  # the directory was removed
            while not stopped:
                with _flock(self._watched_lock, fcntl.LOCK_EX):
                    pass  # no user holds it; release it at once, because a new user may want it
                with _flock(self._start_lock, fcntl.LOCK_EX):
                    stopped = self._stop_if_unused()

    def _stop_if_unused(self) -> bool:
        try:
            with _flock(self._users_lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
                pass  # no process can join while start.lock is ours
        except BlockingIOError:
            return False
        if self.server.is_running():
            self.server.stop()
        return True

    def _start_watcher(self) -> None:
        """Start `watch` in a process of its own session, which outlives a killed user."""
        subprocess.run(
            [sys.executable, "-S", "-m", __name__, self.directory, self.binaries],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            check=True,
        )


@contextmanager
def _flock(path: Path, operation: int) -> Iterator[None]:
    with path.open("r+b") as lock:
        fcntl.flock(lock, operation)
        yield


if __name__ == "__main__":
    # The watcher. Its starter waits for this process; the child goes on, adopted by init.
    if os.fork() == 0:
        EmbeddedPostgres(Path(sys.argv[1]), binaries=Path(sys.argv[2])).watch()
