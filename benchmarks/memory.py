"""Whether memory stays flat: the resident size of each process over very many calls."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from benchmarks.fixture import AWAITING_PAYMENT, FUNDED
from benchmarks.goals import FLAT_GROWTH
from benchmarks.plan import BUSY, MemoryPlan
from benchmarks.programs import Program, ProgramFailed
from benchmarks.report import MET
from benchmarks.stand import SECRET, Database, Stand, people

# The parts of a step. A release makes a transfer, and a webhook posts a payment: the worker does
# both, so it has work of its own beside the calls.
SHARES: Mapping[str, float] = {"get": 0.4, "create": 0.2, "release": 0.2, "webhooks": 0.2}
LOOK_EVERY_S, MOST_LOOKS = 0.2, 1500
MIB = 2**20
UNFINISHED = """
SELECT (SELECT count(*) FROM stripe_events WHERE state IN ('RECEIVED', 'PARKED'))
    + (SELECT count(*) FROM effects WHERE state NOT IN ('SUCCEEDED', 'REJECTED'))"""


@dataclass(frozen=True, slots=True)
class Memory:
    """The resident size of one process: ``resident_bytes`` after so many ``calls``."""

    calls: Sequence[int]
    resident_bytes: Sequence[int]

    @property
    def bytes_per_call(self) -> float:
        """The slope of the line through the second half."""
        half = len(self.calls) // 2
        return statistics.linear_regression(self.calls[half:], self.resident_bytes[half:]).slope

    @property
    def growth(self) -> float:
        """By which part of its size the process grew over the second half, along that line."""
        half = len(self.calls) // 2
        calls = self.calls[-1] - self.calls[half]
        return self.bytes_per_call * calls / self.resident_bytes[half]

    @property
    def is_flat(self) -> bool:
        return self.growth <= FLAT_GROWTH

    def as_json(self) -> dict[str, Any]:
        return {
            "calls": list(self.calls),
            "resident_bytes": list(self.resident_bytes),
            "bytes_per_call": self.bytes_per_call,
            "growth": self.growth,
            "flat": self.is_flat,
        }


async def measure_memory(stand: Stand, plan: MemoryPlan) -> dict[str, Memory]:
    """The memory of the service, the gateway and a worker, by name."""
    counts = {kind: int(plan.step * share) for kind, share in SHARES.items()}
    steps = plan.calls // plan.step
    database = await stand.database()
    await stand.fill(database, FUNDED, 0, steps * counts["release"])
    unpaid = Database(database.dsn, database.owner, next_escrow=steps * counts["release"])
    await stand.fill(database, AWAITING_PAYMENT, unpaid.next_escrow, steps * counts["webhooks"])
    await database.owner.execute("VACUUM ANALYZE")
    programs = await _start(stand, database)
    resident: dict[str, list[int]] = {name: [] for name in programs}
    for step in range(1, steps + 1):
        for kind, count in counts.items():
            escrows = unpaid if kind == "webhooks" else database
            first = escrows.take(count) if kind in {"release", "webhooks"} else 0
            target = programs["gateway" if kind == "webhooks" else "service"].address
            job = {"kind": kind, "target": target, "secret": SECRET, "first": first}
            await stand.load.run({**job, "count": count, "concurrency": BUSY})
        await _worker_has_finished(database)
        for name, process in programs.items():
            resident[name].append(process.resident_bytes())
        sizes = ", ".join(f"{name} {sizes[-1] / MIB:.1f}" for name, sizes in resident.items())
        people.print(f"{step * plan.step:,} of {plan.calls:,} calls, MiB resident: {sizes}")
    calls = range(plan.step, plan.calls + 1, plan.step)
    return {name: Memory(calls, sizes) for name, sizes in resident.items()}


async def _start(stand: Stand, database: Database) -> dict[str, Program]:
    """What is looked at; and a Stripe for the worker."""
    env = await stand.stripe()
    service = await stand.service("service", database)
    return {
        "service": service,
        "gateway": await stand.gateway("gateway", service),
        "worker": await stand.worker("worker", database, env),
    }


async def _worker_has_finished(database: Database) -> None:
    """Raises ProgramFailed when it does not."""
    for _ in range(MOST_LOOKS):
        if not await database.owner.fetchval(UNFINISHED):
            return
        await asyncio.sleep(LOOK_EVERY_S)
    raise ProgramFailed("the worker did not do what was due")


def memory_table(measured: Mapping[str, Memory]) -> Table:
    table = Table(title="Resident memory, and how it grew over the second half of the calls")
    for heading in ("", "first MiB", "last MiB", "bytes per call", "growth", "goal", ""):
        table.add_column(heading)
    for name, memory in measured.items():
        first, last = memory.resident_bytes[0], memory.resident_bytes[-1]
        table.add_row(
            *(name, f"{first / MIB:.1f}", f"{last / MIB:.1f}", f"{memory.bytes_per_call:.1f}"),
            *(f"{memory.growth:.1%}", f"<= {FLAT_GROWTH:.0%}", MET[memory.is_flat]),
        )
    return table
