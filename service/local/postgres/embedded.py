"""A private PostgreSQL for development, the demo, tests and benchmarks. Production brings its own.

    with EmbeddedPostgres(Path(".escrow/postgres")) as postgres:
        connection = await asyncpg.connect(postgres.dsn("escrow"))

Any number of processes may use one directory at the same time. Each holds a shared lock as long
as it runs, and whoever leaves last stops the server. The kernel drops the lock of a process that
was killed, and a small watcher process stops the server when nobody is left to do it.

The directory holds the locks and `server/`: all that the server itself touches. Under root the
server's user owns `server/`; where that user cannot reach it, it is a link to a relocated folder.

This module needs nothing but the standard library, so that the watcher starts without an
environment and in no time.
"""

import fcntl
import os
import re
import secrets
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from service.local.postgres.programs import (
    EmbeddedPostgresError,
    can_reach,
    find_binaries,
    give,
    make_relocated,
    reachable_binaries,
    run_program,
    server_user,
)

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

OWNER = "postgres"
DEFAULT_PORT = 5432  # names the unix socket; nothing listens on TCP unless a port is asked for
SOCKET_PATH_LIMIT = 107  # bytes: sun_path of struct sockaddr_un, without its closing NUL
START_TIMEOUT_S = 60
STALE_PID_S = 5
SSL_REQUEST = struct.pack("!II", 8, 80877103)  # length and code of the protocol's SSLRequest


class EmbeddedPostgres:
    """One user's hold on the server of `directory`, which is initialised and started when needed.

    `settings`, `max_connections` and `tcp_port` (on 127.0.0.1, besides the unix socket) count for
    whoever starts the server; a later user shares it as it is.
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
        self._settings = {**(settings or {}), "max_connections": str(max_connections)}
        self._tcp_port = tcp_port
        self._binaries = binaries
        self._hold = ExitStack()  # the locks that make this process a user
        self._server = self.directory / "server"
        self._start_lock = self.directory / "start.lock"  # taken around init, start and stop
        self._users_lock = self.directory / "users.lock"  # shared by users, probed under start.lock
        # shared by users too; only the watcher waits for it, so it never disturbs a probe
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
        if self._binaries is None:
            self._binaries = reachable_binaries(find_binaries(), server_user(self._server))
        return self._binaries

    def dsn(self, database: str = "postgres", user: str = OWNER) -> str:
        """A DSN for asyncpg and libpq over the unix socket, where every role is trusted."""
        folder, port = self._address()
        where = f"host={quote(str(folder), safe='')}&port={port}&sslmode=disable"
        return f"postgresql://{quote(user)}@/{quote(database)}?{where}"

    def tcp_dsn(self, database: str = "postgres") -> str:
        """A DSN for the owner over loopback TCP, with the password of this directory."""
        password = (self._server / "password").read_text().strip()
        address = f"127.0.0.1:{self._address()[1]}"
        return f"postgresql://{OWNER}:{password}@{address}/{quote(database)}?sslmode=disable"

    def start(self) -> None:
        """Join the users of this directory, and start the server if it does not run yet."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            for lock in (self._start_lock, self._users_lock, self._watched_lock):
                lock.touch()
            with ExitStack() as hold, _flock(self._start_lock, fcntl.LOCK_EX):
                hold.enter_context(_flock(self._users_lock, fcntl.LOCK_SH))
                hold.enter_context(_flock(self._watched_lock, fcntl.LOCK_SH))
                if not self._is_running():
                    self._prepare()
                    self._launch()
                self._hold = hold.pop_all()
        except PermissionError as error:
            raise EmbeddedPostgresError(
                f"{error.filename} belongs to another user: run as that user, or remove it"
            ) from error

    def stop(self) -> None:
        """Leave, and stop the server if nobody else uses it. Returns when it has stopped."""
        with _flock(self._start_lock, fcntl.LOCK_EX):
            self._hold.close()
            self._stop_if_unused()

    def watch(self) -> None:
        """Wait until the last user is gone; stop the server if they did not do it themselves."""
        stopped = False
        with suppress(FileNotFoundError):  # somebody removed the directory
            while not stopped:
                with _flock(self._watched_lock, fcntl.LOCK_EX):
                    pass  # everyone let go of it; so do we at once, because a newcomer may want it
                with _flock(self._start_lock, fcntl.LOCK_EX):
                    stopped = self._stop_if_unused()

    def _stop_if_unused(self) -> bool:
        try:
            with _flock(self._users_lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
                pass  # nobody can join while start.lock is ours
        except BlockingIOError:
            return False
        if self._is_running():
            folder, _port = self._address()
            self._run("pg_ctl", "stop", "-D", self._data, "-m", "fast", "-w", "-t", START_TIMEOUT_S)
            if folder != self._data.parent / "run":
                shutil.rmtree(folder, ignore_errors=True)
        return True

    @property
    def _data(self) -> Path:
        return self._server.resolve() / "data"

    def _address(self) -> tuple[Path, int]:
        """The socket's folder and the port, as the server itself wrote them down."""
        lines = (self._data / "postmaster.pid").read_text().splitlines()
        return Path(lines[4]), int(lines[3])

    def _is_running(self) -> bool:
        """Whether the server is ready for connections. A pid file left by a crash is removed.

        A starter that was killed may leave a server behind that is just about to listen, so a pid
        that lives is given a few seconds. After that it belongs to another program.
        """
        pid_file = self._data / "postmaster.pid"
        patience = time.monotonic() + STALE_PID_S
        while pid_file.exists():
            with suppress(FileNotFoundError, IndexError, ValueError):
                lines = pid_file.read_text().splitlines()
                answers = _answers(Path(lines[4]) / f".s.PGSQL.{lines[3]}")
                if answers and lines[7].strip() == "ready":
                    return True
                if not answers and (time.monotonic() > patience or not _is_alive(int(lines[0]))):
                    break
            time.sleep(0.05)
        pid_file.unlink(missing_ok=True)
        return False

    def _prepare(self) -> None:
        """Make `server/` with an initialised cluster in it. A half-made one is thrown away."""
        if not self._server.exists():
            self._server.unlink(missing_ok=True)  # a link whose target is gone
            self._make_server_folder()
        if self._data.exists():
            self._require_same_version()
        else:
            self._initialise()

    def _make_server_folder(self) -> None:
        user = server_user(self._server)
        if user is None or can_reach(self.directory, user):
            self._server.mkdir(mode=0o700)
        else:
            self._server.symlink_to(make_relocated("server-"))
        give(self._server.resolve(), user)

    def _initialise(self) -> None:
        half_made = self._data.with_name("data.initialising")
        shutil.rmtree(half_made, ignore_errors=True)
        password = self._data.with_name("password")
        password.touch(0o600)
        password.write_text(secrets.token_urlsafe(24) + "\n")
        give(password, server_user(self._server))
        options = ["--no-sync"] if self._settings.get("fsync") == "off" else []
        options += ["--encoding=UTF8", "--locale=C", "--no-instructions", f"--username={OWNER}"]
        options += ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"]
        self._run("initdb", *options, "-D", half_made)
        half_made.rename(self._data)

    def _require_same_version(self) -> None:
        made_by = (self._data / "PG_VERSION").read_text().strip()
        banner = self._run("postgres", "--version").strip()
        if not re.search(rf"\) {re.escape(made_by)}\b", banner):
            raise EmbeddedPostgresError(
                f"{self._data} was made by PostgreSQL {made_by}, but {self.binaries} holds "
                f"{banner}: remove {self.directory}, or set ESCROW_PG_BIN"
            )

    def _launch(self) -> None:
        if self._tcp_port is not None:
            _require_free_port(self._tcp_port)
        port = self._tcp_port or DEFAULT_PORT
        settings = {
            **self._settings,
            "port": str(port),
            "listen_addresses": "" if self._tcp_port is None else "127.0.0.1",
            "unix_socket_directories": str(self._make_socket_folder(port)),
            "unix_socket_permissions": "0700",
        }
        options = " ".join(f"-c {shlex.quote(f'{k}={v}')}" for k, v in settings.items())
        log = self._data.with_name("postgres.log")
        self._start_watcher()
        try:
            self._run(
                *("pg_ctl", "start", "-D", self._data, "-l", log, "-w", "-t", START_TIMEOUT_S),
                *("-o", options),
            )
        except EmbeddedPostgresError as error:
            raise EmbeddedPostgresError(_last_error(log) or str(error)) from None

    def _make_socket_folder(self, port: int) -> Path:
        """`server/run`, or a short temporary folder where that path is too long for a socket."""
        folder = self._data.with_name("run")
        if len(os.fsencode(folder / f".s.PGSQL.{port}")) > SOCKET_PATH_LIMIT:
            folder = Path(tempfile.mkdtemp(prefix="escrow-pg-", dir="/tmp"))
        folder.mkdir(mode=0o700, exist_ok=True)
        give(folder, server_user(self._server))
        return folder

    def _start_watcher(self) -> None:
        """Start `watch` in a process of its own session, which outlives whoever is killed."""
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

    def _run(self, program: str, *arguments: object) -> str:
        return run_program(self.binaries / program, *arguments, user=server_user(self._server))


@contextmanager
def _flock(path: Path, operation: int) -> Iterator[None]:
    with path.open("r+b") as lock:
        fcntl.flock(lock, operation)
        yield


def _answers(socket_path: Path) -> bool:
    """Whether a server behind the socket answers, rather than a dying one that still listens."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(STALE_PID_S)
        try:
            probe.connect(str(socket_path))
            probe.sendall(SSL_REQUEST)
            return probe.recv(1) == b"N"  # a unix socket never offers TLS
        except OSError:
            return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _require_free_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise EmbeddedPostgresError(f"port {port} on 127.0.0.1: {error.strerror}") from None


def _last_error(log: Path) -> str:
    with suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if "FATAL" in line), "")
    return ""


if __name__ == "__main__":
    # The watcher. Whoever started it waits for this process, so the one that stays is init's child.
    if os.fork() == 0:
        EmbeddedPostgres(Path(sys.argv[1]), binaries=Path(sys.argv[2])).watch()
