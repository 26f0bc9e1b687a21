"""A crowd at one escrow: how long until all of it is answered, and what its neighbours notice."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any

import grpc
from rich.table import Table

from benchmarks.fixture import AMOUNT_MINOR, FUNDED, number
from benchmarks.programs import Program
from benchmarks.samples import Sample
from benchmarks.stand import Database, Stand
from escrow.client import connect, new_request_id, reason_of
from escrow.v1.escrow_service_pb2 import ReleaseMilestoneRequest

CROWD = 300
NEIGHBOUR_CALLS = 300
DEADLINE_S = 30.0
PROCESSES = (1, 2)


@dataclass(frozen=True, slots=True)
class Crowd:
    """What became of the calls of a crowd; ``alone`` and ``beside`` are those of a neighbour, one
    after another, without the crowd and with it.
    """

    processes: int
    answers: dict[str, int]
    seconds: float
    alone: Sample
    beside: Sample

    @property
    def is_answered(self) -> bool:
        return self.answers == {"OK": CROWD}

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def measure_crowds(stand: Stand) -> list[Crowd]:
    """Crowds at one service, and at several that share them."""
    crowds = []
    for processes in PROCESSES:
        database = await stand.database()
        await stand.fill(database, FUNDED, 0, 3 * NEIGHBOUR_CALLS + 1)
        await database.owner.execute("VACUUM ANALYZE")
        names = [f"service {n} of {processes}" for n in range(1, processes + 1)]
        services = [await stand.service(name, database) for name in names]
        await _neighbour(stand, services[0], database)  # warms up
        alone = await _neighbour(stand, services[0], database)
        escrow = database.take(1)
        (answers, seconds), beside = await asyncio.gather(
            _crowd(services, escrow), _neighbour(stand, services[0], database)
        )
        crowds.append(Crowd(processes, dict(answers), seconds, alone, beside))
    return crowds


async def _neighbour(stand: Stand, service: Program, database: Database) -> Sample:
    """Releases of an escrow each, one after another, by a process of its own."""
    first = database.take(NEIGHBOUR_CALLS)
    job = {"kind": "release", "target": service.address, "concurrency": 1, "first": first}
    return await stand.measured(service, NEIGHBOUR_CALLS, job)


async def _crowd(services: Sequence[Program], escrow: int) -> tuple[Counter[str], float]:
    """Everybody releases a part of the same milestone, all at once."""
    async with AsyncExitStack() as stack:
        payers = []
        for service in services:
            opening = connect(service.address, tenant="default", caller="bench")
            payers.append((await stack.enter_async_context(opening)).acting("payer"))
        requests = [
            ReleaseMilestoneRequest(
                request_id=new_request_id(),
                escrow_id=f"esc_{number('escrow', escrow).hex}",
                milestone_id=f"mst_{number('milestone', escrow).hex}",
                amount_minor=AMOUNT_MINOR // CROWD,
            )
            for _ in range(CROWD)
        ]

        async def ask(n: int, request: ReleaseMilestoneRequest) -> str:
            try:
                escrows = payers[n % len(payers)].escrows
                await escrows.ReleaseMilestone(request, timeout=DEADLINE_S)
            except grpc.aio.AioRpcError as error:
                return reason_of(error) or error.code().name
            return "OK"

        began_s = time.perf_counter()
        answers = await asyncio.gather(*(ask(n, each) for n, each in enumerate(requests)))
        return Counter(answers), time.perf_counter() - began_s


def crowd_table(crowds: Sequence[Crowd]) -> Table:
    table = Table(title=f"{CROWD} releases of one escrow at once, and a neighbour's releases")
    for heading in ("services", "answers", "seconds", "neighbour p50 ms", "p99 ms"):
        table.add_column(heading)
    for crowd in crowds:
        answers = ", ".join(f"{count} {name}" for name, count in crowd.answers.items())
        alone, beside = crowd.alone, crowd.beside
        table.add_row(
            *(str(crowd.processes), answers, f"{crowd.seconds:.1f}"),
            f"{alone.p50_ms:.1f} -> {beside.p50_ms:.1f}",
            f"{alone.p99_ms:.1f} -> {beside.p99_ms:.1f}",
        )
    return table
