"""`python -m tests.chaos`: bad days by the dozen or by the thousand, and what was broken by them.

make chaos SEEDS=1000 STEPS=50
make chaos SEED=17               one seed again, with its rows if something does not hold
"""

import asyncio
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.chaos.currencies import TENANT
from tests.chaos.seed import Report, run_seed
from tests.postgres import prepare_template, running_server
from tests.world import open_world

SEEDS_PER_SYSTEM = 50  # then a new one: the virtual clock does not run years ahead
people = Console(stderr=True)


def main(
    seed: Annotated[int | None, typer.Option(help="Only this one.")] = None,
    seeds: Annotated[int, typer.Option(help="How many.", min=1)] = 25,
    first: Annotated[int, typer.Option(help="The first of them.")] = 1,
    steps: Annotated[int, typer.Option(help="What clients do in each, in steps.", min=1)] = 50,
    *,
    convert: Annotated[
        bool | None, typer.Option(help="All of them, or none; without it the seed decides.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The reports on standard output.")
    ] = False,
) -> None:
    """Runs the whole system through seeds of chaos; exit status 1 when anything does not hold."""
    wanted = [seed] if seed is not None else list(range(first, first + seeds))
    folder = Path(tempfile.mkdtemp(prefix="escrow-chaos-"))
    reports = asyncio.run(_run(wanted, steps, folder, convert))
    if as_json:
        json.dump([report.as_json() for report in reports], sys.stdout, indent=2, default=str)
    _summarize(reports)
    if any(report.breaches for report in reports):
        people.print(f"The logs of all processes are in {folder}.")
        raise typer.Exit(1)


async def _run(wanted: list[int], steps: int, folder: Path, convert: bool | None) -> list[Report]:
    reports: list[Report] = []
    columns = (
        TextColumn("seed {task.fields[seed]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
    )
    with running_server() as server, Progress(*columns, console=people) as progress:
        template = await prepare_template(server)
        task = progress.add_task("chaos", total=len(wanted), seed="-", pace="")
        for start in range(0, len(wanted), SEEDS_PER_SYSTEM):
            logs = folder / str(start)
            logs.mkdir()
            async with open_world(server, template, logs, tenant=TENANT) as world:
                for seed in wanted[start : start + SEEDS_PER_SYSTEM]:
                    progress.update(task, seed=seed)
                    report = await run_seed(world, seed, steps, convert=convert)
                    reports.append(report)
                    if not people.is_terminal:
                        people.print(_line_of(reports[-1]), highlight=False)
                    _show_breaches(reports[-1])  # at once: who reads on may stop here
                    broken = sum(bool(report.breaches) for report in reports)
                    pace = f"{_seconds_per_seed(reports):.1f} s/seed, {broken} broken"
                    progress.update(task, advance=1, pace=pace)
    return reports


def _line_of(report: Report) -> str:
    """For a log, where a progress bar shows nothing."""
    how = f"{len(report.breaches)} breaches" if report.breaches else "holds"
    converts = ", converts" if report.converts else ""
    took = f"{report.took_s:.1f} s, {report.lived_s:.1f} s of it chaos"
    return f"seed {report.seed}{converts}: {how}, {took}"


def _seconds_per_seed(reports: list[Report]) -> float:
    return sum(report.took_s for report in reports) / len(reports)


def _summarize(reports: list[Report]) -> None:
    table = Table("what", "how often", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    sums = {
        "": Counter(
            seeds=len(reports),
            converting=sum(report.converts for report in reports),
            calls=sum(report.calls for report in reports),
            kills=sum(report.kills for report in reports),
            **{"events stored together": sum(report.together for report in reports)},
        ),
        "chaos": sum((report.chaos for report in reports), Counter()),
        "strangers'": sum((report.strangers for report in reports), Counter()),
        "told": sum((report.answers for report in reports), Counter()),
        "ended as": sum((report.ends for report in reports), Counter()),
    }
    for group, counted in sums.items():
        for name, count in sorted(counted.items()):
            table.add_row(f"{group} {name}".strip(), f"{count:,}")
    people.print(table)
    broken = sum(bool(report.breaches) for report in reports)
    verdict = f"[red]{broken} seeds broke something" if broken else "[green]everything holds"
    people.print(f"{_seconds_per_seed(reports):.2f} s per seed; {verdict}[/]")


def _show_breaches(report: Report) -> None:
    if not report.breaches:
        return
    converts = ", converts" if report.converts else ""
    people.print(f"\n[bold red]seed {report.seed}, {report.steps} steps{converts}[/]")
    for breach in report.breaches:
        people.print(f"  {breach.what}", style="red", markup=False)
        for name, value in breach.facts.items():
            people.print(f"    {name}: {value}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
