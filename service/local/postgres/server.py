"""One PostgreSQL server: its cluster in a folder, started and stopped by PostgreSQL's programs.

Its methods take no lock: `embedded.py` keeps two processes from calling them at the same time.
"""

import os
import re
import secrets
import shlex
import shutil
import socket
import struct
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
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

OWNER = "postgres"
DEFAULT_PORT = 5432  # names the unix socket; TCP is used only when a port is asked for
SOCKET_PATH_LIMIT = 107  # bytes: sun_path of struct sockaddr_un, without its closing NUL
START_TIMEOUT_S = 60
STALE_PID_S = 5
SSL_REQUEST = struct.pack("!II", 8, 80877103)  # length and code of the protocol's SSLRequest


class PostgresServer:
    """The server whose files are all in `folder`.

    Under root the server's user owns the folder; where that user cannot reach it, it is a link to
    a relocated folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str],
        tcp_port: int | None,
        binaries: Path | None,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._tcp_port = tcp_port
        self._binaries = binaries

    @property
    def binaries(self) -> Path:
        """The folder of `postgres`, `pg_dump` and the rest, readable by the server's user."""
        if self._binaries is None:
            self._binaries = reachable_binaries(find_binaries(), server_user(self._folder))
        return self._binaries

    def dsn(self, database: str = "postgres", user: str = OWNER) -> str:
        """A DSN for asyncpg and libpq over the unix socket, where every role is trusted."""
        folder, port = self.address()
        where = f"host={quote(str(folder), safe='')}&port={port}&sslmode=disable"
        return f"postgresql://{quote(user)}@/{quote(database)}?{where}"

    def tcp_dsn(self, database: str = "postgres") -> str:
        """A DSN for the owner over loopback TCP, with the password of this directory."""
        password = (self._folder / "password").read_text().strip()
        address = f"127.0.0.1:{self.address()[1]}"
        return f"postgresql://{OWNER}:{password}@{address}/{quote(database)}?sslmode=disable"

    def address(self) -> tuple[Path, int]:
        """The socket's folder and the port, as the server itself wrote them down."""
        lines = (self._data / "postmaster.pid").read_text().splitlines()
        return Path(lines[4]), int(lines[3])

    def is_running(self) -> bool:
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

    def answers(self) -> bool:
        """Whether the server is there at all; it may be starting, or recovering from a crash."""
        try:
            folder, port = self.address()
        except (OSError, IndexError, ValueError):
            return False
        return _answers(folder / f".s.PGSQL.{port}")

    @property
    def log(self) -> Path:
        return self._data.with_name("postgres.log")

    def prepare(self) -> None:
        """Make the folder with an initialised cluster in it. A half-made one is thrown away.

        Raises:
            EmbeddedPostgresError: PostgreSQL cannot be started here.
        """
        if self._tcp_port is not None:
            _require_free_port(self._tcp_port)
        if not self._folder.exists():
            self._folder.unlink(missing_ok=True)  # a link whose target is gone
            self._make_folder()
        if self._data.exists():
            self._require_same_version()
        else:
            self._initialise()

    def launch(self) -> None:
        """Start the server, and return when it takes connections."""
        port = self._tcp_port or DEFAULT_PORT
        settings = {
            **self._settings,
            "port": str(port),
            "listen_addresses": "" if self._tcp_port is None else "127.0.0.1",
            "unix_socket_directories": str(self._make_socket_folder(port)),
            "unix_socket_permissions": "0700",
        }
        options = " ".join(f"-c {shlex.quote(f'{k}={v}')}" for k, v in settings.items())
        try:
            self._run(
                *("pg_ctl", "start", "-D", self._data, "-l", self.log, "-w", "-t", START_TIMEOUT_S),
                *("-o", options),
            )
        except EmbeddedPostgresError as error:
            raise EmbeddedPostgresError(_last_error(self.log) or str(error)) from None

    def stop(self) -> None:
        """Stop the server, and return when it has stopped."""
        folder, _port = self.address()
        self._run("pg_ctl", "stop", "-D", self._data, "-m", "fast", "-w", "-t", START_TIMEOUT_S)
        if folder != self._data.with_name("run"):
            shutil.rmtree(folder, ignore_errors=True)

    def _make_folder(self) -> None:
        user = server_user(self._folder)
        if user is None or can_reach(self._folder.parent, user):
            self._folder.mkdir(mode=0o700)
        else:
            self._folder.symlink_to(make_relocated("server-"))
        give(self._folder.resolve(), user)

    def _initialise(self) -> None:
        half_made = self._data.with_name("data.initialising")
        shutil.rmtree(half_made, ignore_errors=True)
        password = self._data.with_name("password")
        password.touch(0o600)
        password.write_text(secrets.token_urlsafe(24) + "\n")
        give(password, server_user(self._folder))
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
                f"{banner}: remove {self._folder.parent}, or set ESCROW_PG_BIN"
            )

    def _make_socket_folder(self, port: int) -> Path:
        """`run`, or a short temporary folder where that path is too long for a socket."""
        folder = self._data.with_name("run")
        if len(os.fsencode(folder / f".s.PGSQL.{port}")) > SOCKET_PATH_LIMIT:
            folder = Path(tempfile.mkdtemp(prefix="escrow-pg-", dir="/tmp"))
        folder.mkdir(mode=0o700, exist_ok=True)
        give(folder, server_user(self._folder))
        return folder

    @property
    def _data(self) -> Path:
        return self._folder.resolve() / "data"

    def _run(self, program: str, *arguments: object) -> str:
        return run_program(self.binaries / program, *arguments, user=server_user(self._folder))


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
