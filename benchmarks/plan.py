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
    echo_factor: int  # an echo takes so little that the CPU clock needs more of them
    pgbench_transactions: int
    webhooks: int
    growth_releases: int
    entries: tuple[int, int]
    balance_reads: int


FEW, MANY, MOST = 10_000, 1_000_000, 5_000_000

DEFAULT = Plan(
    rounds=5,
    calls={1: 100, 16: 500, 64: 1000},
    echo_factor=3,
    pgbench_transactions=1600,
    webhooks=1000,
    growth_releases=600,
    entries=(FEW, MANY),
    balance_reads=1000,
)
QUICK = Plan(
    rounds=2,
    calls={1: 5, 16: 32, 64: 64},
    echo_factor=1,
    pgbench_transactions=32,
    webhooks=64,
    growth_releases=64,
    entries=(600, 1200),
    balance_reads=20,
)
