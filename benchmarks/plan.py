"""How much is run: the one place for counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CONCURRENCIES = (1, 16, 64)
PGBENCH_CLIENTS = (8, 16, 32)
BUSY = 64  # concurrent calls, where a comparison is made at one concurrency only


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts of calls are per round; ``entries`` is what the two databases of the growth hold."""

    rounds: int
    calls: Mapping[int, int]  # by concurrency
    echo_factor: int  # an echo takes so little time that more of them are needed
    pgbench_transactions: int
    webhooks: int
    postings: int
    postings_per_s: int
    growth_releases: int
    entries: tuple[int, int]
    balance_reads: int
    tenants: int  # divides PAYEES
    polls: int


FEW_ENTRIES, MANY_ENTRIES, MOST_ENTRIES = 10_000, 1_000_000, 5_000_000

DEFAULT = Plan(
    rounds=5,
    calls={1: 100, 16: 500, 64: 1000},
    echo_factor=3,
    pgbench_transactions=4800,
    webhooks=1000,
    postings=250,
    postings_per_s=50,
    growth_releases=600,
    entries=(FEW_ENTRIES, MANY_ENTRIES),
    balance_reads=2000,
    tenants=500,
    polls=200,
)
QUICK = Plan(
    rounds=2,
    calls={1: 5, 16: 32, 64: 64},
    echo_factor=1,
    pgbench_transactions=64,
    webhooks=64,
    postings=20,
    postings_per_s=50,
    growth_releases=64,
    entries=(600, 1200),
    balance_reads=20,
    tenants=50,
    polls=5,
)


@dataclass(frozen=True, slots=True)
class GatePlan:
    """Rounds of releases and echoes beside each other: enough for a ratio of CPU, and no more."""

    rounds: int
    releases: int
    echoes: int


GATE = GatePlan(rounds=7, releases=600, echoes=2500)


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Resident memory is read every ``step`` of ``calls``."""

    calls: int
    step: int


MEMORY = MemoryPlan(calls=200_000, step=10_000)
QUICK_MEMORY = MemoryPlan(calls=600, step=100)
