"""``escrow migrate``: the schema up, down, its status and its text."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from service import migrations
from service.cli.checkout import require_local
from service.cli.numbers import whole_number
from service.cli.printing import AsJson, people, print_json
from service.config import load_settings
from service.database import direct_connection
from service.migrations import Migration, MigrationStatus
from service.store.distribution import distribution_calls, has_citus

app = typer.Typer(
    help="The database schema: plain SQL files, each applied once.", no_args_is_help=True
)


@app.command()
def up(*, as_json: AsJson = False) -> None:
    """Applies every migration that is pending. Safe to run from many pods at once."""

    async def apply() -> list[Migration]:
        async with direct_connection(load_settings()) as connection:
            return await migrations.up(connection, migrations.load_migrations())

    _show_moved("applied", asyncio.run(apply()), as_json=as_json)


@app.command()
def down(
    count: Annotated[int, typer.Option(parser=whole_number(1), help="How many, newest first.")] = 1,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: data is lost by this.")] = False,
    as_json: AsJson = False,
) -> None:
    """Takes back the newest migrations, and the data that was in what they made."""
    if not yes:
        typer.confirm(f"Take back the newest {count} and lose their data?", abort=True)

    async def take_back() -> list[Migration]:
        async with direct_connection(load_settings()) as connection:
            return await migrations.down(connection, migrations.load_migrations(), count)

    _show_moved("taken back", asyncio.run(take_back()), as_json=as_json)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Says which migrations are applied; exit status 1 when one is pending or was edited."""

    async def read() -> Sequence[MigrationStatus]:
        async with direct_connection(load_settings()) as connection:
            return await migrations.status(connection, migrations.load_migrations())

    standing = asyncio.run(read())
    if as_json:
        listed = [
            {"file": _file(one), "state": _state(one), "apply_time": one.applied_at}
            for one in standing
        ]
        print_json({"migrations": listed})
    else:
        table = Table("migration", "state", "applied at", box=None, pad_edge=False)
        for one in standing:
            table.add_row(_file(one), _state(one), str(one.applied_at or ""))
        people.print(table)
    if any(_state(one) in ("pending", "edited") for one in standing):
        raise typer.Exit(1)


@app.command()
def distribute(
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Run the statements.")] = False,
    as_json: AsJson = False,
) -> None:
    """Prints the statements that distribute the tables of tenants over a cluster (Citus)."""

    async def run() -> list[str] | None:
        async with direct_connection(load_settings()) as connection:
            if not await has_citus(connection):
                return None
            calls = await distribution_calls(connection)
            for call in calls if apply else ():
                await connection.execute(call)
            return calls

    calls = asyncio.run(run())
    if as_json:
        print_json(
            {"citus": calls is not None, "applied": bool(calls) and apply, "calls": calls or []}
        )
    elif calls is None:
        typer.echo("nothing to do: this is one PostgreSQL, without the extension citus")
    else:
        for call in calls:
            typer.echo(f"{call};")


@app.command()
def dump() -> None:
    """Prints the schema of the database as readable SQL."""
    require_local("migrate dump", instead=".venv/bin/escrow migrate dump")
    # The image has neither service.local nor pg_dump.
    from service.local.postgres.programs import find_binaries  # noqa: PLC0415 - see above
    from service.local.schema_dump import dump_schema  # noqa: PLC0415 - likewise

    settings = load_settings()
    typer.echo(asyncio.run(dump_schema(settings.direct_dsn, find_binaries() / "pg_dump")), nl=False)


def _show_moved(done: str, moved: Sequence[Migration], *, as_json: bool) -> None:
    names = [migration.file_name for migration in moved]
    if as_json:
        print_json({done.replace(" ", "_"): names})
        return
    for name in names:
        people.print(f"{done} {name}")
    if not names:
        people.print("nothing to do")


def _file(one: MigrationStatus) -> str:
    return f"{one.version}_{one.name}.sql"


def _state(one: MigrationStatus) -> str:
    if one.edited:
        return "edited"
    if one.file_missing:
        return "of a newer release"
    return "applied" if one.applied_at else "pending"
