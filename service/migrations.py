"""Applies the plain SQL files of `migrations/` to a database, and takes them back.

A file `NNNN_name.sql` holds one section `-- migrate:up` and one `-- migrate:down`, which is
dbmate's format, and the table `public.schema_migrations` is dbmate's too, so operators may use
either. Our further columns have defaults: what dbmate applied has no checksum to compare.

Each file runs in one transaction together with its row. A section marked `transaction:false` (for
CREATE INDEX CONCURRENTLY) runs outside of one and holds a single statement.

Errors: MigrationError, with one line that names the file.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TypeAlias

import asyncpg

MIGRATIONS = Path(__file__).parent.parent / "migrations"
LOCK_KEY = 0x657363726F77  # "escrow"; advisory locks are per database
LOCK_POLL_S = 0.1

CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS public.schema_migrations (version text PRIMARY KEY);
ALTER TABLE public.schema_migrations
    ADD COLUMN IF NOT EXISTS name text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS checksum text,
    ADD COLUMN IF NOT EXISTS applied_at timestamptz NOT NULL DEFAULT now()
"""
TABLE_EXISTS = "SELECT to_regclass('public.schema_migrations') IS NOT NULL"
FIND_APPLIED = "SELECT version, name, checksum, applied_at FROM public.schema_migrations"
INSERT_APPLIED = """
INSERT INTO public.schema_migrations (version, name, checksum) VALUES ($1, $2, $3)
"""
DELETE_APPLIED = "DELETE FROM public.schema_migrations WHERE version = $1"
TRY_LOCK = "SELECT pg_try_advisory_lock($1)"
UNLOCK = "SELECT pg_advisory_unlock($1)"

FILE_NAME = re.compile(r"(?P<version>\d+)_(?P<name>\w+)\.sql")
SECTION = re.compile(r"^--\s*migrate:(up|down)\b(.*)$", re.MULTILINE)

# a string, because asyncpg's classes take their parameter in the stubs only
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class MigrationError(RuntimeError):
    """A migration file is malformed, edited after it was applied, or refused by the database."""


@dataclass(frozen=True)
class Section:
    """The SQL of one direction, and whether it runs inside a transaction."""

    sql: str
    transaction: bool


@dataclass(frozen=True)
class Migration:
    """One file: `0001_escrows.sql` has the version `0001` and the name `escrows`."""

    version: str
    name: str
    up: Section
    down: Section
    checksum: str  # SHA-256 of the whole file, in hexadecimal

    @property
    def file_name(self) -> str:
        return f"{self.version}_{self.name}.sql"


@dataclass(frozen=True)
class MigrationStatus:
    """Where one version stands: applied (then with a time), pending, or edited since."""

    version: str
    name: str
    applied_at: datetime | None
    edited: bool = False
    file_missing: bool = False  # applied by a newer release than this one


@cache
def released_migrations() -> tuple[Migration, ...]:
    """The migrations of this release, read once."""
    return load_migrations()


def load_migrations(directory: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """Read and order the migration files; `schema.sql` beside them is generated, not read."""
    files = sorted(path for path in directory.glob("*.sql") if path.name != "schema.sql")
    migrations = tuple(_parse(path) for path in files)
    versions = [migration.version for migration in migrations]
    if doubled := {version for version in versions if versions.count(version) > 1}:
        raise MigrationError(f"{directory} has two files of version {min(doubled)}")
    return migrations


def _parse(path: Path) -> Migration:
    named = FILE_NAME.fullmatch(path.name)
    if named is None:
        raise MigrationError(f"{path.name}: a migration is named NNNN_name.sql")
    text = path.read_text(encoding="utf-8")
    marks = list(SECTION.finditer(text))
    if [mark[1] for mark in marks] != ["up", "down"]:
        raise MigrationError(f"{path.name}: needs one '-- migrate:up', then one '-- migrate:down'")
    up, down = marks
    return Migration(
        version=named["version"],
        name=named["name"],
        up=Section(text[up.end() : down.start()].strip(), "transaction:false" not in up[2]),
        down=Section(text[down.end() :].strip(), "transaction:false" not in down[2]),
        checksum=hashlib.sha256(text.encode()).hexdigest(),
    )


async def up(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """Apply what is pending, in order, and return it. Waits for others who do the same."""
    async with _exclusively(connection):
        await connection.execute(CREATE_TABLE)
        standing = await status(connection, migrations)
        _require_unchanged_history(standing)
        applied = {version.version for version in standing if version.applied_at}
        pending = [migration for migration in migrations if migration.version not in applied]
        for migration in pending:
            async with _transaction(connection, migration.up):
                await _execute(connection, migration.file_name, migration.up)
                await connection.execute(
                    INSERT_APPLIED, migration.version, migration.name, migration.checksum
                )
        return pending


async def down(
    connection: Connection, migrations: Sequence[Migration], count: int = 1
) -> list[Migration]:
    """Take back the newest `count` applied migrations, newest first, and return them."""
    by_version = {migration.version: migration for migration in migrations}
    async with _exclusively(connection):
        applied = [v for v in await status(connection, migrations) if v.applied_at]
        newest_first = applied[: -count - 1 : -1]
        for version in newest_first:
            if version.file_missing or version.edited:
                raise MigrationError(f"{_describe(version)}: cannot be taken back from here")
        undone = [by_version[version.version] for version in newest_first]
        for migration in undone:
            async with _transaction(connection, migration.down):
                await _execute(connection, migration.file_name, migration.down)
                await connection.execute(DELETE_APPLIED, migration.version)
        return undone


async def status(connection: Connection, migrations: Sequence[Migration]) -> list[MigrationStatus]:
    """Every version known to the files or to the database, in order. Changes nothing."""
    rows = await connection.fetch(FIND_APPLIED) if await _has_table(connection) else []
    applied = {row["version"]: row for row in rows}
    standing = [
        _compare(migration, applied.pop(migration.version, None)) for migration in migrations
    ]
    standing += [
        MigrationStatus(version, row["name"], row["applied_at"], file_missing=True)
        for version, row in applied.items()
    ]
    return sorted(standing, key=lambda version: version.version)


def _compare(migration: Migration, row: asyncpg.Record | None) -> MigrationStatus:
    if row is None:
        return MigrationStatus(migration.version, migration.name, None)
    edited = row["checksum"] is not None and row["checksum"] != migration.checksum
    return MigrationStatus(migration.version, migration.name, row["applied_at"], edited=edited)


def _require_unchanged_history(standing: Sequence[MigrationStatus]) -> None:
    """Refuse an edited file, and a pending one that comes before an applied one."""
    earlier_pending: MigrationStatus | None = None
    for version in standing:
        if version.edited:
            raise MigrationError(f"{_describe(version)}; restore the file and write a new one")
        if version.applied_at is None:
            earlier_pending = earlier_pending or version
        elif earlier_pending is not None and not version.file_missing:
            raise MigrationError(
                f"{_describe(earlier_pending)}, but the later {version.version}_{version.name}.sql "
                "already is; give the new file a higher number"
            )


def _describe(version: MigrationStatus) -> str:
    file_name = f"{version.version}_{version.name}.sql"
    if version.file_missing:
        return f"{file_name} was applied, but the file is not here"
    if version.edited:
        return f"{file_name} was edited after it was applied"
    return f"{file_name} is not applied"


async def _has_table(connection: Connection) -> bool:
    return bool(await connection.fetchval(TABLE_EXISTS))


async def _execute(connection: Connection, file_name: str, section: Section) -> None:
    try:
        await connection.execute(section.sql)
    except asyncpg.PostgresError as error:
        position = getattr(error, "position", None)
        line = section.sql[: int(position)].count("\n") + 1 if position else None
        where = f" (line {line} of its section)" if line else ""
        raise MigrationError(f"{file_name}: {error}{where}") from error


def _transaction(connection: Connection, section: Section) -> AbstractAsyncContextManager[object]:
    return connection.transaction() if section.transaction else nullcontext()


@asynccontextmanager
async def _exclusively(connection: Connection) -> AsyncIterator[None]:
    """Hold the lock of this database's migrations, for pods that start at once.

    Polls instead of waiting inside PostgreSQL: CREATE INDEX CONCURRENTLY waits for every open
    statement, and so for a waiting one, which would wait for it.
    """
    while not await connection.fetchval(TRY_LOCK, LOCK_KEY):  # noqa: ASYNC110 - it changes elsewhere
        await asyncio.sleep(LOCK_POLL_S)
    try:
        yield
    finally:
        await connection.execute(UNLOCK, LOCK_KEY)
