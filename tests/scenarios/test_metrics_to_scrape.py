"""What Prometheus reads from a worker: what waits, and how the calls to Stripe went."""

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from escrow.v1 import escrow_service_pb2 as pb
from tests.scenarios.deal import open_deal
from tests.scenarios.program import until
from tests.world import World

SAMPLE = re.compile(r"(\w+)\{(.*)\} (\S+)")
LABEL = re.compile(r'(\w+)="([^"]*)"')
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@asynccontextmanager
async def scraped(world: World) -> AsyncIterator[str]:
    """The address of the worker's metrics while it serves them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    worker = world.programs["worker"]
    variables = {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": str(port)}
    before = worker.environment
    await world.stop("worker")
    worker.environment = before | variables
    await world.start("worker")
    try:
        yield f"http://localhost:{port}/metrics"
    finally:
        await world.stop("worker")
        worker.environment = before
        await world.start("worker")


async def read(url: str) -> Samples:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        found = map(SAMPLE.fullmatch, (await answer.text()).splitlines())
    return {
        (match[1], frozenset(_ours(match[2]))): float(match[3])
        for match in found
        if match and match[1].startswith("escrow_")
    }


def _ours(labels: str) -> list[tuple[str, str]]:
    return [
        (name.removeprefix("escrow_"), value)
        for name, value in LABEL.findall(labels)
        if value and not name.startswith("otel_")
    ]


def of(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"escrow_{name}", frozenset(labels.items())


async def test_prometheus_sees_what_waits_and_what_was_done(world: World) -> None:
    deal = await open_deal(world, onboarded=False)
    await deal.pay_for()
    await deal.release()
    async with scraped(world) as url:

        async def looked() -> bool:
            return of("queue_overdue_seconds", queue="effects") in await read(url)

        await until(looked, "look at the queues")
        samples = await read(url)
        waiting = {"queue": "transfers", "state": "WAITING"}
        assert samples[of("queue_items", **waiting)] >= 1
        assert samples[of("queue_oldest_age_seconds", **waiting)] > 0
        assert (
            samples[of("queue_overdue_seconds", queue="transfers")] == 0
        )  # its payee is not ready
        assert samples[of("queue_items", queue="set_aside", state="SUSPENSE")] == 0
        planned = {"queue": "effects", "kind": "create_transfer", "state": "PLANNED"}
        assert samples[of("queue_items", **planned)] == 0

        await deal.onboard()
        await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
        samples = await read(url)
        call = {"stripe_operation": "create_transfer", "stripe_outcome": "succeeded"}
        assert samples[of("stripe_call_duration_seconds_count", **call)] >= 1
        assert samples[of("commit_batch_size_count")] >= 2
        assert samples[of("commit_wait_duration_seconds_sum")] > 0
