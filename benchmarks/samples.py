"""What is measured: one sample a round, and the median and spread of all rounds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields

MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement in one round; None where it does not apply. Times per call."""

    per_s: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    cpu_us: float | None = None
    """CPU of the server process: user and system."""
    postgres_cpu_us: float | None = None
    """CPU of all PostgreSQL processes."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the rounds, the least and the most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


def spreads(samples: Sequence[Sample]) -> dict[str, Spread]:
    """The spread of every figure that was measured, by its name."""
    found = {}
    for field in fields(Sample):
        values = [getattr(sample, field.name) for sample in samples]
        if values and None not in values:
            found[field.name] = Spread.of(values)
    return found


def percentile_ms(latencies_s: Sequence[float], share: float) -> float:
    ordered = sorted(latencies_s)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000
