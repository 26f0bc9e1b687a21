"""``python -m benchmarks``: measures, and prints the figures, the ratios and what was wanted.

make bench                      some minutes
make bench ARGS=--quick         that it works, not how fast it is
make bench ARGS=--full          five million entries
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from rich.console import Console

from benchmarks.goals import PGBENCH
from benchmarks.machine import POSTGRES_DIRECTORY, POSTGRES_SETTINGS, header
from benchmarks.plan import DEFAULT, FEW, MOST, PGBENCH_CLIENTS, QUICK, Plan
from benchmarks.report import Report, print_report
from benchmarks.samples import Sample, spreads
from benchmarks.suite import Round, Suite
from service.embedded_postgres import EmbeddedPostgres

people = Console(stderr=True)


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny counts, for CI.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Up to 5,000,000 entries.")] = False,
    rounds: Annotated[int | None, typer.Option(help="How many.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="On standard output.")] = False,
) -> None:
    """Measures the service against its floors, in one run."""
    plan = QUICK if quick else DEFAULT
    if full:
        plan = replace(plan, entries=(FEW, MOST))
    if rounds:
        plan = replace(plan, rounds=rounds)
    report = asyncio.run(run(plan))
    if as_json:
        json.dump(report.as_json(), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        print_report(report, Console(width=None if sys.stdout.isatty() else 140))


async def run(plan: Plan) -> Report:
    """One run of the plan, on a PostgreSQL of its own."""
    folder = Path(tempfile.mkdtemp(prefix="escrow-bench-"))
    people.print(f"[dim]logs of what is measured: {folder}[/]")
    with EmbeddedPostgres(POSTGRES_DIRECTORY, settings=POSTGRES_SETTINGS) as postgres:
        told = header(plan, await _postgres_version(postgres))
        suite = Suite(plan, postgres, folder)
        rounds: list[dict[str, Sample]] = []
        people.print("preparing ...")
        async with suite.opened():
            for number in range(1, plan.rounds + 1):
                people.print(f"round {number} of {plan.rounds} ...")
                rounds.append(await suite.round(Round(share=1)))
            resident = {name: each.resident_bytes() for name, each in suite.programs.items()}
    samples = {name: [each[name] for each in rounds] for name in rounds[0]}
    return Report(told, samples | _pgbench_at_best(samples), suite.skipped, resident)


def _pgbench_at_best(samples: Mapping[str, list[Sample]]) -> dict[str, list[Sample]]:
    """The samples of the client count with the best median, under the name of a floor."""
    counts = [samples[name] for n in PGBENCH_CLIENTS if (name := f"pgbench {n}") in samples]
    if not counts:
        return {}
    return {PGBENCH: max(counts, key=lambda of_count: spreads(of_count)["per_s"].median)}


async def _postgres_version(postgres: EmbeddedPostgres) -> str:
    connection = await asyncpg.connect(postgres.dsn(), ssl=False)
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()


if __name__ == "__main__":
    # What goes wrong is told without the local variables: they have whole requests in them.
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command()(main)
    app()
