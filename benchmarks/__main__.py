"""``python -m benchmarks``: measures, and prints the figures, the ratios and what was wanted.

make bench                      some minutes
make bench ARGS=--quick         that it works, not how fast it is
make bench ARGS=--full          five million entries
make bench ARGS=--memory        whether memory stays flat over 200,000 calls
make bench ARGS=--crowd         300 releases of one escrow at once, and a neighbour
make bench-gate                 what CI asks for
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.crowd import crowd_table, measure_crowds
from benchmarks.gate import measure_gate
from benchmarks.goals import PGBENCH
from benchmarks.machine import header
from benchmarks.memory import measure_memory, memory_table
from benchmarks.pgbench import PgbenchFailed
from benchmarks.plan import (
    DEFAULT,
    FEW_ENTRIES,
    GATE,
    MEMORY,
    MOST_ENTRIES,
    PGBENCH_CLIENTS,
    QUICK,
    QUICK_MEMORY,
    Plan,
)
from benchmarks.polls import measure_polls
from benchmarks.postings import NAME as POSTINGS
from benchmarks.postings import measure_postings
from benchmarks.programs import ProgramFailed
from benchmarks.report import Report, print_header, print_report, ratio_json, ratio_line
from benchmarks.samples import Sample, spreads
from benchmarks.stand import DiskTooSmall, open_stand, people
from benchmarks.suite import Round, Suite
from benchmarks.watching import NAME as WATCHING
from benchmarks.watching import measure_watching

EXIT_MISSED = 1


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny counts: that it works.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Up to 5,000,000 entries.")] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Only resident memory.")] = False,
    crowd: Annotated[bool, typer.Option("--crowd", help="Only many at one escrow.")] = False,
    gate: Annotated[bool, typer.Option("--gate", help="Only what CI asks for.")] = False,
    rounds: Annotated[int | None, typer.Option(help="How many.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="On standard output.")] = False,
) -> None:
    """Measures the service against its floors, in one run."""
    shown = Console(width=None if sys.stdout.isatty() else 160, quiet=as_json)
    try:
        if gate:
            result, good = asyncio.run(_gate(shown))
        elif crowd:
            result, good = asyncio.run(_crowd(shown))
        elif memory:
            result, good = asyncio.run(_memory(shown, quick=quick))
        else:
            plan = QUICK if quick else DEFAULT
            plan = replace(plan, entries=(FEW_ENTRIES, MOST_ENTRIES)) if full else plan
            plan = replace(plan, rounds=rounds) if rounds else plan
            result, good = asyncio.run(_everything(shown, plan)), True
    except (DiskTooSmall, ProgramFailed, PgbenchFailed) as problem:
        people.print(problem, style="red", markup=False)
        raise typer.Exit(EXIT_MISSED) from None
    if as_json:
        json.dump(result, sys.stdout, indent=2)
        sys.stdout.write("\n")
    if not good:
        raise typer.Exit(EXIT_MISSED)


async def _everything(shown: Console, plan: Plan) -> dict[str, Any]:
    """One run of the plan; missed goals are shown and do not fail it."""
    async with open_stand() as stand:
        facts = header(plan, await stand.version())
        suite = Suite(plan, stand)
        people.print("preparing ...")
        await suite.prepare()
        rounds: list[dict[str, Sample]] = []
        for number in range(1, plan.rounds + 1):
            title = f"round {number} of {plan.rounds}"
            people.print(f"{title} ...")
            rounds.append(await suite.round(Round(share=1), title))
        samples = {name: [each[name] for each in rounds] for name in rounds[0]}
        samples |= _pgbench_at_best(samples)
        samples[POSTINGS] = await measure_postings(stand, plan)
        samples[WATCHING] = await measure_watching(stand, plan)
        polls = await measure_polls(stand, plan)
        resident = {name: each.resident_bytes() for name, each in stand.programs.items()}
    report = Report(facts, samples, suite.skipped, resident, polls)
    print_report(report, shown)
    return report.as_json()


async def _gate(shown: Console) -> tuple[dict[str, Any], bool]:
    """Whether the ratio is within its bound."""
    async with open_stand() as stand:
        facts = header(GATE, await stand.version())
        verdict = await measure_gate(stand, GATE)
    print_header(facts, shown)
    shown.print(ratio_line(verdict), highlight=False)
    return {"header": facts, "ratios": [ratio_json(verdict)]}, verdict.met is True


async def _crowd(shown: Console) -> tuple[dict[str, Any], bool]:
    """Whether everybody in a crowd is answered."""
    async with open_stand() as stand:
        facts = header(GATE, await stand.version())
        crowds = await measure_crowds(stand)
    print_header(facts, shown)
    shown.print(crowd_table(crowds))
    result = {"header": facts, "crowds": [crowd.as_json() for crowd in crowds]}
    return result, all(crowd.is_answered for crowd in crowds)


async def _memory(shown: Console, *, quick: bool) -> tuple[dict[str, Any], bool]:
    """Whether the memory of every process is flat."""
    plan = QUICK_MEMORY if quick else MEMORY
    async with open_stand() as stand:
        facts = header(plan, await stand.version())
        measured = await measure_memory(stand, plan)
    print_header(facts, shown)
    shown.print(memory_table(measured))
    result = {name: memory.as_json() for name, memory in measured.items()}
    return {"header": facts, "memory": result}, all(each.is_flat for each in measured.values())


def _pgbench_at_best(samples: Mapping[str, list[Sample]]) -> dict[str, list[Sample]]:
    """The samples of the client count with the best median, under the name of a floor."""
    counts = [samples[name] for n in PGBENCH_CLIENTS if (name := f"pgbench {n}") in samples]
    if not counts:
        return {}
    return {PGBENCH: max(counts, key=lambda of_count: spreads(of_count)["per_s"].median)}


if __name__ == "__main__":
    # Tracebacks leave out local variables: they hold whole requests.
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command()(main)
    app()
