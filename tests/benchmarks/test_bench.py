"""That `make bench` runs and tells what it promises. How fast anything is, is nobody's test."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.goals import GOALS, verdicts
from benchmarks.pgbench import SCRIPT
from benchmarks.samples import Sample, percentile_ms, spreads

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
async def report() -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks", "--quick", "--rounds", "1", "--json"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    told: dict[str, Any] = json.loads(output)
    return told


def test_the_header_says_on_what_it_was_measured(report: dict[str, Any]) -> None:
    assert set(report["header"]) == {"machine", "versions", "settings"}
    assert report["header"]["settings"]["postgresql"]["fsync"] == "on"
    assert "load_average_before" in report["header"]["machine"]


def test_every_ratio_is_measured_and_has_its_goal(report: dict[str, Any]) -> None:
    skipped = " ".join(report["skipped"])
    expected = {goal.name for goal in GOALS if not (skipped and goal.floor in skipped)}
    told = {ratio["name"]: ratio for ratio in report["ratios"]}
    assert set(told) == expected
    measured = [ratio for ratio in told.values() if ratio["ratio"] is not None]  # not in no ticks
    assert measured
    for ratio in measured:
        assert set(ratio["ratio"]) == {"median", "least", "most"}
        assert (ratio["goal"] is None) is (ratio["met"] is None)


def test_every_call_is_measured_beside_its_floor(report: dict[str, Any]) -> None:
    for kind in ("release", "create", "get"):
        for concurrency in (1, 16, 64):
            for name in (f"{kind} {concurrency}", f"echo {kind} {concurrency}"):
                figures = report["measurements"][name]
                assert {"per_s", "p50_ms", "p99_ms", "cpu_us"} <= set(figures), name


def test_a_ratio_is_of_two_measurements_of_the_same_round() -> None:
    busy, floor = "release 64", "echo release 64"
    samples = {
        busy: [Sample(1, cpu_us=200), Sample(1, cpu_us=600), Sample(1, cpu_us=900)],
        floor: [Sample(1, cpu_us=100), Sample(1, cpu_us=200), Sample(1, cpu_us=300)],
    }
    verdict = next(v for v in verdicts(samples) if v.goal.name == "CPU, release / echo, 64")
    assert verdict.ratio is not None
    assert (verdict.ratio.median, verdict.ratio.least, verdict.ratio.most) == (3, 2, 3)
    assert verdict.met is True


def test_a_ratio_that_nothing_is_known_about_meets_nothing() -> None:
    samples = {"release 64": [Sample(1, cpu_us=200)], "echo release 64": [Sample(1, cpu_us=0)]}
    verdict = next(v for v in verdicts(samples) if v.goal.name == "CPU, release / echo, 64")
    assert (verdict.ratio, verdict.met) == (None, None)


def test_what_was_not_measured_in_every_round_is_left_out() -> None:
    assert set(spreads([Sample(1, p50_ms=2), Sample(3)])) == {"per_s"}


def test_a_percentile_is_one_of_the_latencies() -> None:
    latencies_s = [n / 1000 for n in range(100, 0, -1)]
    assert percentile_ms(latencies_s, 0.99) == 100
    assert percentile_ms([0.007], 0.5) == 7


def test_pgbench_writes_every_table_that_a_release_writes() -> None:
    written = ("operations", "escrows", "milestones", "releases", "effects", "journals", "entries")
    for table in (*written, "balances"):
        assert f"INSERT INTO {table} " in SCRIPT or f"UPDATE {table} " in SCRIPT
