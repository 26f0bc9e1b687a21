"""From a commit to a watcher: releases at a steady rate, and a stream of the tenant's events.

It has no floor, and the worker that numbers events polls all the time, so it runs by itself after
the rounds.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from benchmarks.fixture import FUNDED, ONE_TENANT
from benchmarks.load import release_request
from benchmarks.plan import Plan
from benchmarks.samples import Sample
from benchmarks.stand import Stand, people, sample_of
from escrow.client import EscrowClient, connect
from escrow.v1.escrow_service_pb2 import ReleaseMilestoneRequest
from escrow.v1.event_service_pb2 import WatchEventsRequest

NAME = "answered to heard by a watcher"


@dataclass(slots=True)
class Heard:
    """When each request was answered, which is after its commit, and when its event came."""

    answered_at: dict[str, float] = field(default_factory=dict)
    heard_at: dict[str, float] = field(default_factory=dict)

    @property
    def latencies_s(self) -> list[float]:
        return [max(self.heard_at[key] - at, 0.0) for key, at in self.answered_at.items()]


async def measure_watching(stand: Stand, plan: Plan) -> list[Sample]:
    """One sample a round, after one that warms up: releases per second, and how long after its
    answer the event of one is heard.
    """
    database = await stand.database()
    await stand.fill(database, FUNDED, 0, (plan.rounds + 1) * plan.postings)
    await database.owner.execute("VACUUM ANALYZE")
    service = await stand.service("service of the watcher", database)
    await stand.worker("worker of the watcher", database, await stand.stripe())
    samples = []
    async with connect(service.address, tenant=ONE_TENANT, caller="bench") as client:
        for number in range(plan.rounds + 1):
            people.print(f"{NAME}, {number or 'warming up'} ...")
            first = database.take(plan.postings)
            requests = [release_request(n) for n in range(first, first + plan.postings)]
            samples.append(await _round(client, requests, plan.postings_per_s))
    return samples[1:]


async def _round(
    client: EscrowClient, requests: list[ReleaseMilestoneRequest], rate_per_s: float
) -> Sample:
    clock, heard = asyncio.get_running_loop(), Heard()
    awaited = {request.request_id for request in requests}
    listening = asyncio.Event()

    async def listen() -> None:
        async for answer in client.feed.WatchEvents(WatchEventsRequest(), timeout=600):
            listening.set()
            for event in answer.events:
                if event.change.cause in awaited:
                    heard.heard_at[event.change.cause] = clock.time()
            if heard.heard_at.keys() == awaited:
                return

    async def release(request: ReleaseMilestoneRequest) -> None:
        await client.acting("payer").escrows.ReleaseMilestone(request)
        heard.answered_at[request.request_id] = clock.time()

    watcher = asyncio.create_task(listen())
    await listening.wait()
    began = clock.time()
    calls = []
    for place, request in enumerate(requests):
        await asyncio.sleep(max(began + place / rate_per_s - clock.time(), 0))
        calls.append(asyncio.create_task(release(request)))
    await asyncio.gather(*calls)
    seconds = clock.time() - began
    async with asyncio.timeout(30):
        await watcher
    return sample_of({"latencies_s": heard.latencies_s, "seconds": seconds}, len(requests))
