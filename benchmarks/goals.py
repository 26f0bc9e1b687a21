"""What we want, as ratios of two measurements of the same round, and whether it is reached."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.samples import Sample, Spread


@dataclass(frozen=True, slots=True)
class Goal:
    """``figure`` of ``measured`` divided by ``of_figure`` of ``floor``, held against ``bound``.

    The comparison is ">=" or "<="; a goal with ``bound`` None is only shown.
    """

    name: str
    measured: str
    figure: str
    floor: str
    comparison: str = ""
    bound: float | None = None
    of_figure: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal with the ratios of the rounds, or None when too little ran to measure one.

    ``met`` is None when nothing is asked, or nothing known.
    """

    goal: Goal
    ratio: Spread | None
    met: bool | None


PGBENCH = "pgbench at its best"  # the client count with the most transactions per second
GOALS: tuple[Goal, ...] = (
    Goal("CPU, release / echo, 64", "release 64", "cpu_us", "echo release 64", "<=", 3.0),
    Goal("CPU, create / echo, 64", "create 64", "cpu_us", "echo create 64"),
    Goal("CPU, get / echo, 64", "get 64", "cpu_us", "echo get 64"),
    Goal("CPU, release / echo, 1", "release 1", "cpu_us", "echo release 1"),
    Goal(
        # Judged as the chart configures telemetry; a trace of every call is only shown.
        "CPU, release with telemetry, 1 % traced / echo, 64",
        *("release 1 % traced 64", "cpu_us", "echo release 64", "<=", 3.5),
    ),
    Goal(
        "CPU, release with telemetry, all traced / echo, 64",
        *("release all traced 64", "cpu_us", "echo release 64"),
    ),
    Goal(
        "CPU, release with mTLS and a token / without, 64",
        *("release proven 64", "cpu_us", "release 64", "<=", 1.15),
    ),
    Goal("calls/s, release / echo, 64", "release 64", "per_s", "echo release 64", ">=", 0.30),
    Goal("calls/s, create / echo, 64", "create 64", "per_s", "echo create 64"),
    Goal("calls/s, get / echo, 64", "get 64", "per_s", "echo get 64"),
    Goal("calls/s, release 64 / pgbench at best", "release 64", "per_s", PGBENCH, ">=", 1.2),
    Goal("units/s, store alone 64 / pgbench at best", "store 64", "per_s", PGBENCH, ">=", 2.0),
    Goal("PostgreSQL CPU, release 64 / pgbench at best", "release 64", "postgres_cpu_us", PGBENCH),
    Goal("calls/s, one payee / spread", "release one payee 64", "per_s", "release 64", ">=", 0.9),
    Goal(
        "calls/s, many tenants / one tenant",
        *("release many tenants 64", "per_s", "release one tenant 64", ">=", 0.9),
    ),
    Goal("events/s, gateway / bare endpoint", "webhooks", "per_s", "webhooks floor", ">=", 1.0),
    Goal("CPU, gateway / bare endpoint", "webhooks", "cpu_us", "webhooks floor"),
    Goal(
        "service CPU, release, many / few entries",
        *("release many entries 64", "cpu_us", "release few entries 64", "<=", 1.10),
    ),
    Goal(
        "PostgreSQL CPU, release, many / few entries",
        *("release many entries 64", "postgres_cpu_us", "release few entries 64"),
    ),
    Goal(
        "balance read, many / few entries",
        *("balance many entries", "p50_ms", "balance few entries"),
    ),
    Goal(
        "balance as of a time, many / few entries",
        *("balance as of many entries", "p50_ms", "balance as of few entries"),
    ),
    Goal(
        "ExplainEscrow, many / few entries",
        *("explain many entries", "p99_ms", "explain few entries", "<=", 1.5),
    ),
    Goal("p99 / p50, release 16", "release 16", "p99_ms", "release 16", "<=", 4.0, "p50_ms"),
)
# What CI refuses: the CPU of a release, by that of an echo, at 64, each the least of its rounds.
# Ten runs with both cores busy gave 3.0 to 4.5 on 2026-11-28, three on an idle machine 3.4 to 3.9.
# The bound is a tenth above the worst of them; lower it with the figure.
GATE = Goal("CPU, release / echo, 64", "release", "cpu_us", "echo", "<=", 5.0)
FLAT_GROWTH = 0.05  # of the resident memory, over the second half of the calls
COMPARE = {">=": operator.ge, "<=": operator.le}


def verdicts(
    samples: Mapping[str, Sequence[Sample]], goals: Sequence[Goal] = GOALS
) -> list[Verdict]:
    """Every goal for which both sides were measured, by the median of its rounds."""
    return [
        _verdict(goal, samples[goal.measured], samples[goal.floor])
        for goal in goals
        if goal.measured in samples and goal.floor in samples
    ]


def _verdict(goal: Goal, measured: Sequence[Sample], floor: Sequence[Sample]) -> Verdict:
    ratios = (_ratio(goal, *pair) for pair in zip(measured, floor, strict=True))
    known = [value for value in ratios if value is not None]
    ratio = Spread.of(known) if known else None
    met = None
    if ratio is not None and goal.bound is not None:
        met = COMPARE[goal.comparison](ratio.median, goal.bound)
    return Verdict(goal, ratio, met)


def _ratio(goal: Goal, measured: Sample, floor: Sample) -> float | None:
    above = getattr(measured, goal.figure)
    below = getattr(floor, goal.of_figure or goal.figure)
    return above / below if above is not None and below else None
