"""The PostgreSQL of the tests: one server for every worker of a run, and a fresh database per test.

A template database holds the migrated schema, and is named by a hash of the migrations; a test's
own database is a copy of it. The server is the embedded one, in memory where there is room for it,
or ESCROW_TEST_DATABASE_URL: the DSN of a role that may create databases and roles on a server that
is there for tests only.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from service.config import DatabaseRole
from service.local.postgres.embedded import EmbeddedPostgres
from service.local.postgres.programs import find_binaries, give, server_user
from service.migrations import MIGRATIONS, Connection, load_migrations, up

DIRECTORY = Path(__file__).parent.parent / ".escrow" / "tests"
MEMORY = Path("/dev/shm")  # a database is made there in a tenth of the time that a disk takes
ROOM = 2**30  # several times what the databases of a run take
# What a test wrote need not survive the machine.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "128MB",
}
MAX_CONNECTIONS = 300  # several test runs may share the server

# The logins of the programs, as an operator would make them: each a member of one role, which the
# migrations make and which cannot log in.
SERVICE_LOGIN = "escrow_test_login"
WORKER_LOGIN = "escrow_test_worker_login"
READER_LOGIN = "escrow_test_reader_login"
ROLE_OF = {
    SERVICE_LOGIN: DatabaseRole.SERVICE,
    WORKER_LOGIN: DatabaseRole.WORKER,
    READER_LOGIN: DatabaseRole.READER,
}
PASSWORD = "escrow-test"  # a server of ESCROW_TEST_DATABASE_URL may ask for one

TEMPLATE_LOCK = "SELECT pg_advisory_lock(hashtext('escrow test template'))"
DATABASE_EXISTS = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)"
ROLE_EXISTS = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"
FIND_ABANDONED = """
SELECT datname FROM pg_database
WHERE datname ~ '^escrow_(test|template)_' AND datname <> $1
    AND (pg_stat_file('base/' || oid || '/PG_VERSION', true)).modification
        < now() - interval '1 day'
"""


@dataclass(frozen=True)
class Server:
    """A server the tests may fill with databases. `admin_dsn` names its maintenance database."""

    admin_dsn: str
    pg_dump: Path

    def dsn(self, database: str, user: str | None = None, password: str = "") -> str:
        """The admin's DSN with another database, and with another user where one is given."""
        parts = urlsplit(self.admin_dsn)
        netloc = parts.netloc
        if user is not None:
            netloc = f"{quote(user)}:{quote(password)}@{netloc.rpartition('@')[2]}"
        return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))


@dataclass(frozen=True)
class Database:
    """A test's own. `owner_dsn` may do anything in it, the others what their program may."""

    name: str
    owner_dsn: str
    service_dsn: str
    worker_dsn: str
    reader_dsn: str


@contextmanager
def running_server() -> Iterator[Server]:
    """The server of this run; the embedded one stops when the last worker is done."""
    if configured := os.environ.get("ESCROW_TEST_DATABASE_URL"):
        yield Server(configured, find_binaries() / "pg_dump")
        return
    _keep_in_memory(DIRECTORY / "server")
    with EmbeddedPostgres(
        DIRECTORY, settings=SETTINGS, max_connections=MAX_CONNECTIONS
    ) as postgres:
        yield Server(postgres.dsn(), postgres.binaries / "pg_dump")


def _keep_in_memory(folder: Path) -> None:
    """Makes a server's folder that is not there yet a link to one in memory, which `make clean` and
    a reboot remove. Another worker may do so at the same time.
    """
    if folder.exists() or not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        return
    made = Path(tempfile.mkdtemp(prefix="escrow-test-postgres-", dir=MEMORY))
    give(made, server_user(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink():
        folder.unlink(missing_ok=True)  # its target is gone
    try:
        folder.symlink_to(made)
    except FileExistsError:
        made.rmdir()


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Connection]:
    """A connection, closed at the end."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def empty_database(server: Server) -> AsyncIterator[str]:
    """The owner's DSN of a database with nothing in it, dropped at the end."""
    async with _fresh_database(server, "template0") as name:
        yield server.dsn(name)


@asynccontextmanager
async def migrated_database(server: Server, template: str) -> AsyncIterator[Database]:
    """A copy of the template, dropped at the end."""
    async with _fresh_database(server, template) as name:
        programs = (server.dsn(name, login, PASSWORD) for login in ROLE_OF)
        _template_of[name] = template
        try:
            yield Database(name, server.dsn(name), *programs)
        finally:
            del _template_of[name]


_template_of: dict[str, str] = {}
_types_of: dict[tuple[str, frozenset[int]], Any] = {}


def share_types_of_copies() -> None:
    """Lets asyncpg ask once what the types of a template are, not in each connection to each of its
    copies, which have the same: that is a quarter of what the tests' server does.
    """
    connection_class: Any = asyncpg.Connection
    ask = connection_class._introspect_types

    async def introspect(
        connection: Any,  # noqa: ANN401  what it asks its connections is its own
        oids: Iterable[int],
        timeout_s: float | None,
    ) -> tuple[Any, Any]:
        template = _template_of.get(connection._params.database)
        if template is None:
            types, asked = await ask(connection, oids, timeout_s)
            return types, asked
        place = template, frozenset(oids)
        if place not in _types_of:
            _types_of[place], _ = await ask(connection, oids, timeout_s)
        return _types_of[place], _Asked()

    connection_class._introspect_types = introspect


@dataclass(frozen=True)
class _Asked:
    """In place of a statement that was not sent, and so has taken the place of no other."""

    name: str = "not sent"


@asynccontextmanager
async def _fresh_database(server: Server, template: str) -> AsyncIterator[str]:
    name = f"escrow_test_{uuid4().hex}"
    async with connected(server.admin_dsn) as admin:
        # Its files are copied as they are, without a record of every page in the log, as they all
        # were before PostgreSQL 15.
        strategy = "STRATEGY file_copy" if admin.get_server_version().major >= 15 else ""
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} {strategy}")
    try:
        yield name
    finally:
        async with connected(server.admin_dsn) as admin:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def prepare_template(server: Server, directory: Path = MIGRATIONS) -> str:
    """Make the template of these migrations, unless another worker or run has; its name."""
    migrations = load_migrations(directory)
    digest = hashlib.sha256("".join(m.file_name + m.checksum for m in migrations).encode())
    template = f"escrow_template_{digest.hexdigest()[:12]}"
    async with connected(server.admin_dsn) as admin:
        await admin.execute(TEMPLATE_LOCK)  # let go of by closing the connection
        if not await admin.fetchval(DATABASE_EXISTS, template):
            await _drop_abandoned(admin, template)
            unfinished = f"{template}_unfinished"
            await admin.execute(f"DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")
            await admin.execute(f"CREATE DATABASE {unfinished} TEMPLATE template0")
            async with connected(server.dsn(unfinished)) as connection:
                await up(connection, migrations)
            await admin.execute(f"ALTER DATABASE {unfinished} RENAME TO {template}")
        await _make_logins(admin)
    return template


async def _make_logins(admin: Connection) -> None:
    for login, role in ROLE_OF.items():
        if not await admin.fetchval(ROLE_EXISTS, login):
            await admin.execute(f"CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}'")
        if await admin.fetchval(ROLE_EXISTS, role):
            await admin.execute(f"GRANT {role} TO {login}")


async def _drop_abandoned(admin: Connection, template: str) -> None:
    """Drop what killed runs and older migrations left on the embedded server."""
    with suppress(asyncpg.InsufficientPrivilegeError):
        for row in await admin.fetch(FIND_ABANDONED, template):
            await admin.execute(f"DROP DATABASE IF EXISTS {row['datname']} WITH (FORCE)")
