"""Where the time of a release goes: the service under cProfile, its time by group of functions.

    make bench-profile

cProfile makes Python calls dearer than C calls, so shares are a map, not a measure; the CPU per
call in the report is measured without it.
"""

from __future__ import annotations

import asyncio
import json
import pstats
import sys
from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.fixture import FUNDED
from benchmarks.plan import BUSY
from benchmarks.programs import program
from benchmarks.stand import SERVE, SERVING, Database, Stand, open_stand, service_environment

WARM_UP = 200

# The first part of a function's file (or name, when it is built in) that matches decides.
START = "start"  # of the process; it is in both runs, and not quite the same
WAITING = "the event loop, grpc's core, and waiting"
GROUPS: tuple[tuple[str, str], ...] = (
    ("runners.py run", WAITING),
    *((part, START) for part in ("builtins.compile", "builtins.eval", "builtins.exec")),
    *((part, START) for part in ("importlib", "marshal", "_ssl", "build_class", "typing.py")),
    ("service/rpc/", "our gRPC edge"),
    ("service/store/", "our store: loads, rows, the shared commit"),
    ("service/operations/", "our operations"),
    ("service/domain/", "our domain: tables, ledger, money"),
    ("service/stripe/", "our Stripe requests"),
    ("service/", "the rest of ours"),
    ("asyncpg", "asyncpg: encoding and decoding, and the protocol"),
    ("grpc", "grpc.aio in Python"),
    ("protobuf", "protobuf"),
    ("json", "json"),
    ("structlog", "logging"),
    ("opentelemetry", "telemetry"),
    ("asyncio", "asyncio in Python"),
)
OTHER = "built-in functions and the rest of the standard library"


def group_of(function: tuple[str, int, str]) -> str:
    """The group of a function, as pstats names it: (file, line, name)."""
    place = f"{function[0]} {function[2]}".replace("\\", "/")
    return next((group for part, group in GROUPS if part in place), OTHER)


def shares(before: pstats.Stats, after: pstats.Stats) -> dict[str, float]:
    """Seconds by group that the second run took more than the first one."""
    seconds: Counter[str] = Counter()
    for sign, stats in ((1, after), (-1, before)):
        for function, (_, _, own_s, *_) in stats.stats.items():  # type: ignore[attr-defined]  # undeclared
            seconds[group_of(function)] += sign * own_s
    del seconds[START]
    return dict(seconds.most_common())


async def profiled(stand: Stand, database: Database, releases: int) -> pstats.Stats:
    """The profile of a service that starts, releases so many escrows, and stops."""
    output = stand.folder / f"release-{releases}.prof"
    arguments = ["-m", "cProfile", "-o", str(output), *SERVE]
    env = service_environment(database.dsn)
    async with program(arguments, says=SERVING, folder=stand.folder, env=env) as service:
        job = {"kind": "release", "target": service.address, "concurrency": BUSY}
        await stand.load.run({**job, "count": releases, "first": database.take(releases)})
    return pstats.Stats(str(output))


async def run(releases: int) -> dict[str, float]:
    """Microseconds per release by group: what more releases cost, so that no start is in it."""
    async with open_stand() as stand:
        database = await stand.database()
        await stand.fill(database, FUNDED, 0, 2 * WARM_UP + releases)
        await database.owner.execute("VACUUM ANALYZE")
        before = await profiled(stand, database, WARM_UP)
        after = await profiled(stand, database, WARM_UP + releases)
    return {
        group: round(seconds * 1e6 / releases, 1)
        for group, seconds in shares(before, after).items()
    }


def main(
    *,
    releases: Annotated[int, typer.Option(help="How many.", min=100)] = 3000,
    as_json: Annotated[bool, typer.Option("--json", help="On standard output.")] = False,
) -> None:
    """Prints microseconds per release by group of functions."""
    groups = asyncio.run(run(releases))
    if as_json:
        json.dump(groups, sys.stdout, indent=2)
        return
    table = Table("group", "us per release", title=f"release, {BUSY} at once, under cProfile")
    for group, microseconds in groups.items():
        table.add_row(group, f"{microseconds:.0f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
