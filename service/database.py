"""How this program reaches its database, and says in one line why it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from service.config import DatabaseRole, Settings
from service.migrations import Connection, released_migrations
from service.migrations import status as migration_status
from service.redaction import redact
from service.store.engine import ENGINES
from service.store.pool import ServicePool, open_pool

CONNECT_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 5.0
# What PostgreSQL calls a role that the login is no member of, and one that is not there.
NOT_A_MEMBER = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError)


class DatabaseProblem(Exception):
    """The database cannot be used. The message is one line for an operator, without a secret."""


@asynccontextmanager
async def direct_connection(settings: Settings) -> AsyncIterator[Connection]:
    """A connection past any pooler, as the login itself: for migrations.

    Raises:
        DatabaseProblem: the database cannot be reached.
    """
    dsn = settings.direct_dsn
    with _told_in_one_line(dsn):
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            # As in store/pool.py: encrypted when the URL says so, never by trial and error.
            connection = await asyncpg.connect(
                dsn, password=_password(settings), ssl=None if "ssl" in dsn else False
            )
    try:
        yield connection
    finally:
        await connection.close(timeout=CLOSE_TIMEOUT_S)


@asynccontextmanager
async def pooled_database(settings: Settings, program: DatabaseRole) -> AsyncIterator[ServicePool]:
    """The pool that a program works with, on a database that has every migration.

    Raises:
        DatabaseProblem: the database cannot be reached, lacks a migration, or does not let its
            login work as the program's role.
    """
    await _require_migrations(settings)
    role = settings.session_role(program)
    with _told_in_one_line(settings.dsn, role):
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            pool = await open_pool(
                settings.dsn,
                password=_password(settings),
                role=role,
                min_size=settings.database_pool_min,
                max_size=settings.database_pool_max,
                command_timeout_s=settings.database_command_timeout_s,
                statement_cache_size=0 if settings.pgbouncer else 200,
                engine=ENGINES[settings.database_engine],
            )
            await pool.fetchval("SELECT 1")
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()


def _password(settings: Settings) -> Callable[[], str] | None:
    """What reads the password for every new connection, so that it may change; None where it is in
    the URL.
    """
    file = settings.database_password_file
    if file is None:
        return None
    return lambda: file.read_text("utf-8").strip()


async def _require_migrations(settings: Settings) -> None:
    async with direct_connection(settings) as connection:
        try:
            standing = await migration_status(connection, released_migrations())
        except asyncpg.InsufficientPrivilegeError:
            return  # a login that may not read the history: the one that migrates has to check
    pending = [version for version in standing if version.applied_at is None]
    if pending:
        raise DatabaseProblem(
            f"the database lacks {len(pending)} migration(s), first {pending[0].version}_"
            f"{pending[0].name}: run `escrow migrate up`"
        )


@contextmanager
def _told_in_one_line(dsn: str, role: str = "") -> Iterator[None]:
    try:
        yield
    except NOT_A_MEMBER as error:
        line = f"cannot use the database as {role}: {error}. GRANT {role} TO the login of its URL"
        raise DatabaseProblem(redact(line)) from error
    except ValueError as error:  # by asyncpg's parser; what it says may quote the password
        raise DatabaseProblem("cannot use the database: its URL is malformed") from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        late = isinstance(error, TimeoutError)
        reason = f"no answer within {CONNECT_TIMEOUT_S:g} s" if late else str(error)
        line = " ".join(f"cannot use the database at {dsn}: {reason}".split())
        raise DatabaseProblem(redact(line)) from error
