"""The report of a run, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.goals import Goal, Verdict, verdicts
from benchmarks.polls import Polls, polls_table
from benchmarks.samples import Sample, Spread, spreads

MET = {True: "[green]met[/]", False: "[red]falls short[/]", None: ""}


@dataclass(frozen=True, slots=True)
class Report:
    """``samples`` by measurement, one a round; ``skipped`` says why something is missing."""

    header: Mapping[str, Any]
    samples: Mapping[str, Sequence[Sample]]
    skipped: Mapping[str, str]
    resident_bytes: Mapping[str, int]
    polls: Sequence[Polls]

    def as_json(self) -> dict[str, Any]:
        """{"header", "ratios", "measurements", "polls", "resident_bytes", "skipped"}."""
        return {
            "header": self.header,
            "ratios": [ratio_json(verdict) for verdict in verdicts(self.samples)],
            "measurements": {
                name: {figure: asdict(spread) for figure, spread in spreads(samples).items()}
                for name, samples in self.samples.items()
            },
            "polls": [polls.as_json() for polls in self.polls],
            "resident_bytes": self.resident_bytes,
            "skipped": self.skipped,
        }


def print_report(report: Report, console: Console) -> None:
    print_header(report.header, console)
    console.print(_ratios(report))
    console.print(_measurements(report))
    console.print(polls_table(report.polls))
    for name, size in report.resident_bytes.items():
        console.print(f"{name}: {size / 2**20:.0f} MiB resident", highlight=False)
    for name, reason in report.skipped.items():
        console.print(f"[yellow]skipped[/] {name}: {reason}")


def print_header(header: Mapping[str, Any], console: Console) -> None:
    for title, facts in header.items():
        if title != "warnings":
            console.print(f"[bold]{title}[/] {facts}", highlight=False)
    for warning in header["warnings"]:
        console.print(f"[bold yellow]{warning}[/]", highlight=False)


def ratio_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "name": verdict.goal.name,
        "ratio": asdict(verdict.ratio) if verdict.ratio else None,
        "goal": _wanted(verdict.goal) or None,
        "met": verdict.met,
    }


def _ratios(report: Report) -> Table:
    table = Table(title="Ratios, median of the rounds (least-most)")
    for heading in ("ratio", "measured", "goal", ""):
        table.add_column(heading)
    for verdict in verdicts(report.samples):
        ratio = _show_spread(verdict.ratio, 2) if verdict.ratio else "too little to measure"
        table.add_row(verdict.goal.name, ratio, _wanted(verdict.goal), MET[verdict.met])
    return table


def ratio_line(verdict: Verdict) -> str:
    """One verdict, for when there is only one."""
    assert verdict.ratio is not None
    goal, measured = verdict.goal, verdict.ratio.median
    return f"{goal.name}: {measured:.2f}, wanted {_wanted(goal)}: {MET[verdict.met]}"


def _wanted(goal: Goal) -> str:
    """What a goal asks for; empty when it asks for nothing."""
    return "" if goal.bound is None else f"{goal.comparison} {goal.bound:g}"


def _measurements(report: Report) -> Table:
    table = Table(title="Measurements, median of the rounds (least-most)")
    headings = {
        "per_s": "per second",
        "p50_ms": "p50 ms",
        "p99_ms": "p99 ms",
        "cpu_us": "CPU us",
        "postgres_cpu_us": "PostgreSQL CPU us",
    }
    for heading in ("", *headings.values()):
        table.add_column(heading)
    for name, samples in report.samples.items():
        figures = spreads(samples)
        cells = [
            _show_spread(figures[f], 2 if "ms" in f else 0) if f in figures else ""
            for f in headings
        ]
        table.add_row(name, *cells)
    return table


def _show_spread(spread: Spread, digits: int) -> str:
    low, high = f"{spread.least:,.{digits}f}", f"{spread.most:,.{digits}f}"
    return f"{spread.median:,.{digits}f} ({low}-{high})"
