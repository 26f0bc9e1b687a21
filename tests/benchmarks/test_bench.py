"""That `make bench` runs and tells what it promises. How fast anything is, is nobody's test."""

import asyncio
import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fixture import FUNDED, PAYEES
from benchmarks.gate import measure_gate
from benchmarks.goals import GATE, GOALS, verdicts
from benchmarks.load import metadata_of
from benchmarks.memory import Memory
from benchmarks.pgbench import SCRIPT, read_logs
from benchmarks.plan import DEFAULT, QUICK, GatePlan, Plan
from benchmarks.polls import TAKING, WATCHING, WITH_WORK, WITHOUT_WORK
from benchmarks.postings import NAME as POSTINGS
from benchmarks.samples import Sample, percentile_ms, spreads
from benchmarks.stand import DiskTooSmall, open_stand
from benchmarks.tenants import sql_parties_of, sql_tenant
from benchmarks.watching import NAME as HEARD
from tests.depth import only_deep

ROOT = Path(__file__).parent.parent.parent


async def bench(*options: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks", *options, "--json"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert output, errors.decode()
    told: dict[str, Any] = json.loads(output)
    return told


@only_deep  # `make bench-gate` is a step of CI of its own
@pytest.mark.timeout(300)  # everything is started, and all of it measured once
async def test_a_run_tells_everything_that_it_promises() -> None:
    report = await bench("--quick", "--rounds", "1")
    _assert_header_says_on_what_it_was_measured(report["header"])
    _assert_every_ratio_is_measured_and_has_its_goal(report)
    _assert_every_call_is_measured_beside_its_floor(report["measurements"])
    _assert_every_poller_took_the_item_of_every_tenant(report["polls"])
    posting = report["measurements"][POSTINGS]  # in milliseconds, and longer than a round trip
    assert 1 < posting["p50_ms"]["median"] <= posting["p99_ms"]["median"] < 60_000
    watching = report["measurements"][HEARD]  # polls lie between
    assert 1 < watching["p50_ms"]["median"] <= watching["p99_ms"]["median"] < 60_000


def _assert_header_says_on_what_it_was_measured(header: dict[str, Any]) -> None:
    assert set(header) == {"machine", "versions", "settings", "warnings"}
    assert header["settings"]["postgresql"]["fsync"] == "on"
    assert len(header["machine"]["load_average_before"]) == 3


def _assert_every_ratio_is_measured_and_has_its_goal(report: dict[str, Any]) -> None:
    skipped = " ".join(report["skipped"])
    expected = {goal.name for goal in GOALS if not (skipped and goal.floor in skipped)}
    told = {ratio["name"]: ratio for ratio in report["ratios"]}
    assert set(told) == expected
    measured = [ratio for ratio in told.values() if ratio["ratio"]]  # no ticks, no ratio
    assert measured
    for ratio in measured:
        assert set(ratio["ratio"]) == {"median", "least", "most"}
        assert (ratio["goal"] is None) is (ratio["met"] is None)


def _assert_every_call_is_measured_beside_its_floor(measurements: dict[str, Any]) -> None:
    for kind in ("release", "create", "get"):
        for concurrency in (1, 16, 64):
            for name in (f"{kind} {concurrency}", f"echo {kind} {concurrency}"):
                assert {"per_s", "p50_ms", "p99_ms", "cpu_us"} <= set(measurements[name]), name


def _assert_every_poller_took_the_item_of_every_tenant(polls: list[dict[str, Any]]) -> None:
    measured = {(each["poller"], each["work"]): each for each in polls}
    assert set(measured) == set(product((*TAKING, WATCHING), (WITHOUT_WORK, WITH_WORK)))
    for (poller, work), each in measured.items():
        taken = QUICK.tenants if poller in TAKING and work == WITH_WORK else 0
        assert each["items"] == taken, poller
        assert each["statements"]["least"] >= 1, poller
        assert 0 < each["ms"]["least"] <= each["ms"]["most"], poller


async def test_each_release_of_many_tenants_is_of_another_one_than_the_one_before() -> None:
    tenants = QUICK.tenants
    async with open_stand() as stand:
        database = await stand.database()
        await database.owner.execute(sql_parties_of(tenants))
        await stand.fill(database, FUNDED, 0, 2 * tenants, tenant=sql_tenant("n", tenants))
        escrows = await database.owner.fetch("SELECT tenant_id FROM escrows ORDER BY escrow_id")
        strangers = await database.owner.fetchval(STRANGERS)
    sent = metadata_of({"first": 0, "count": 2 * tenants, "tenants": tenants})
    assert [dict(each)["escrow-tenant"] for each in sent] == [row["tenant_id"] for row in escrows]
    assert len({row["tenant_id"] for row in escrows[:tenants]}) == tenants
    assert strangers == 0


STRANGERS = """
SELECT count(*) FROM escrows AS e
WHERE NOT EXISTS (
    SELECT 1 FROM payees AS p WHERE p.tenant_id = e.tenant_id AND p.payee_id = e.payee_id
) OR NOT EXISTS (
    SELECT 1 FROM payers AS p WHERE p.tenant_id = e.tenant_id AND p.payer_id = e.payer_id
)"""


async def test_the_gate_compares_the_cpu_of_releases_and_echoes() -> None:
    async with open_stand() as stand:
        verdict = await measure_gate(stand, GatePlan(rounds=1, releases=64, echoes=64))
    assert verdict.ratio is not None
    assert verdict.ratio.median > 1  # whatever a release costs, an echo is a part of it


def test_the_gate_refuses_what_is_above_its_bound() -> None:
    assert GATE.bound is not None
    for cpu_us, met in ((100 * GATE.bound - 1, True), (100 * GATE.bound + 1, False)):
        samples = {"release": [Sample(1, cpu_us=cpu_us)], "echo": [Sample(1, cpu_us=100)]}
        assert [verdict.met for verdict in verdicts(samples, [GATE])] == [met]


@only_deep
async def test_the_memory_of_every_process_is_read_while_it_works() -> None:
    told = await bench("--memory", "--quick")
    assert set(told["memory"]) == {"service", "gateway", "worker"}
    for memory in told["memory"].values():
        assert len(memory["resident_bytes"]) == len(memory["calls"]) == 6
        assert memory["calls"][-1] == 600
        assert min(memory["resident_bytes"]) > 2**24  # a Python with gRPC or aiohttp in it


@only_deep
@pytest.mark.timeout(300)
async def test_a_crowd_at_one_escrow_is_answered_beside_its_neighbours() -> None:
    told = await bench("--crowd")
    assert [(crowd["processes"], crowd["answers"]) for crowd in told["crowds"]] == [
        (1, {"OK": 300}),
        (2, {"OK": 300}),
    ]
    assert all(crowd["beside"]["p99_ms"] > 0 for crowd in told["crowds"])


def test_memory_that_grows_is_not_flat() -> None:
    calls = range(10_000, 210_000, 10_000)
    start = 100 * 2**20
    leaking = Memory(calls, [start + 100 * n for n in calls])
    assert leaking.bytes_per_call == pytest.approx(100)
    assert leaking.growth == pytest.approx(100 * 90_000 / (start + 100 * 110_000))
    assert not leaking.is_flat
    settled = Memory(calls, [start + 1000 * min(n, 60_000) for n in calls])  # a cache that is full
    assert settled.growth == 0
    assert settled.is_flat


def test_the_first_transactions_of_a_client_of_pgbench_do_not_count(tmp_path: Path) -> None:
    # Client, number, microseconds, script, end in seconds and microseconds; a slow beginning each.
    slow, fast = 900_000, 100_000
    for client in (0, 1):
        lines = [f"{client} 0 {slow} 0 1 0"]
        lines += [f"{client} {n} {fast} 0 1 {n * fast}" for n in range(1, 10)]
        (tmp_path / f"log.{client}").write_text("\n".join(lines))
    told = read_logs(tmp_path)
    assert told["per_s"] == pytest.approx(20)
    assert told["latencies_s"] == [0.1] * 18


async def test_a_fill_that_the_disk_has_no_room_for_is_refused_before_it_begins() -> None:
    async with open_stand() as stand:
        database = await stand.database()
        with pytest.raises(DiskTooSmall, match="GB"):
            await stand.fill(database, FUNDED, 0, 10**12)
        assert await database.owner.fetchval("SELECT count(*) FROM escrows") == 0


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


@pytest.mark.parametrize("plan", [DEFAULT, QUICK])
def test_every_tenant_of_a_plan_can_have_its_own_parties(plan: Plan) -> None:
    assert PAYEES % plan.tenants == 0


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
