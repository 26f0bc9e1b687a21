"""The load generator: a process of its own that sends what its jobs ask for.

    {"kind": "release", "target": "127.0.0.1:5", "concurrency": 16, "count": 100, "first": 0}

Requests are made before the clock starts, and sent as bytes: it costs the same to load a floor as
to load the service. An answer has the seconds it took and the latency of every call. A job that has
``tenants`` spreads its calls over so many of them; one with a ``proof`` brings a certificate and a
token.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import aiohttp
import asyncpg
import grpc
import uvloop

from benchmarks.echo_server import SERVICE as ECHO
from benchmarks.fixture import (
    BUSY_ACCOUNT,
    ONE_TENANT,
    PAID_MINOR,
    PAYEES,
    journal_moment,
    number,
    sql_account,
)
from benchmarks.jobs import Answer, Job, answer_jobs
from benchmarks.payments import payment_intent
from benchmarks.tenants import tenant_name
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1.explanation_pb2 import ExplainEscrowRequest
from service.domain import ids
from service.store.balances import balances_as_of
from service.store.pool import open_pool
from service.stripe.gateway import API_VERSION

SERVICE = "escrow.v1.EscrowService"
METHODS = {
    "release": "ReleaseMilestone",
    "create": "CreateEscrow",
    "get": "GetEscrow",
    "explain": "ExplainEscrow",
}
DEADLINE_S = 60.0
READ_BALANCE = f"""
SELECT balance_minor FROM balances
WHERE tenant_id = 'default' AND account = {sql_account("held", "$1::bigint")}
    AND currency = 'USD'"""

POSTED = """
SELECT source_id FROM journals WHERE tenant_id = 'default' AND source_type = 'payment'
    AND source_id = ANY($1::text[]) AND kind = 'payment_succeeded'"""
LOOK_EVERY_S = 0.005  # a posting may be seen this much too late

Request = TypeVar("Request")
Metadata = tuple[tuple[str, str], ...]


def requests_of(kind: str, first: int, count: int) -> list[bytes]:
    """The requests of one job: about the escrows first, first + 1, ..."""
    make = {"release": release_request, "create": _create, "get": _get, "explain": _explain}[kind]
    return [make(n).SerializeToString() for n in range(first, first + count)]


def release_request(n: int) -> pb.ReleaseMilestoneRequest:
    return pb.ReleaseMilestoneRequest(
        request_id=str(uuid.uuid4()),
        escrow_id=ids.show(ids.ESCROW, number("escrow", n)),
        milestone_id=ids.show(ids.MILESTONE, number("milestone", n)),
    )


def metadata_of(job: Job) -> list[Metadata]:
    """Who makes each request of one job: all one tenant, or the tenant of each escrow."""
    first, count, tenants = job["first"], job["count"], job.get("tenants")
    proof = job.get("proof")
    who = ("authorization", f"Bearer {proof['token']}") if proof else ("escrow-caller", "bench")
    return [
        (
            ("escrow-tenant", tenant_name(n, tenants) if tenants else ONE_TENANT),
            who,
            ("escrow-party", "payer"),
        )
        for n in range(first, first + count)
    ]


def _create(n: int) -> pb.CreateEscrowRequest:
    return pb.CreateEscrowRequest(
        request_id=str(uuid.uuid4()),
        reference=f"order-{n}",
        payer_id=ids.show(ids.PAYER, number("payer", n % PAYEES)),
        payee_id=ids.show(ids.PAYEE, number("payee", n % PAYEES)),
        currency="USD",
        milestones=[pb.MilestoneInput(title="All of it", amount_minor=100_00)],
    )


def _get(n: int) -> pb.GetEscrowRequest:
    return pb.GetEscrowRequest(escrow_id=ids.show(ids.ESCROW, number("escrow", n)))


def _explain(n: int) -> ExplainEscrowRequest:
    return ExplainEscrowRequest(escrow_id=ids.show(ids.ESCROW, number("escrow", n)))


def payment_event(n: int) -> bytes:
    """That payment n has succeeded: an event of the size that Stripe's about payments have."""
    event = {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "api_version": API_VERSION,
        "livemode": False,
        "created": int(time.time()),
        "data": {"object": payment_intent(n)},
    }
    return json.dumps(event).encode()


def _signature(payload: bytes, secret: str) -> str:
    now = int(time.time())
    signed = hmac.new(secret.encode(), b"%d." % now + payload, hashlib.sha256).hexdigest()
    return f"t={now},v1={signed}"


async def drive(
    send: Callable[[Request], Awaitable[object]], requests: Sequence[Request], concurrency: int
) -> Answer:
    """Sends all requests, so many at a time. The first failure ends the job."""
    waiting = iter(requests)
    latencies_s: list[float] = []

    async def one_after_the_other() -> None:
        for request in waiting:
            started = time.perf_counter()
            await send(request)
            latencies_s.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(concurrency)))
    return {"seconds": time.perf_counter() - started, "latencies_s": latencies_s}


async def run_rpc(job: Job) -> Answer:
    """Calls the service, or with ``echo`` the floor under the name of the method."""
    method = METHODS[job["kind"]]
    path = f"/{ECHO if job.get('echo') else SERVICE}/{method}"
    requests = requests_of(job["kind"], job["first"], job["count"])
    from_whom = list(zip(requests, metadata_of(job), strict=True))
    async with _channel(job) as channel:
        await channel.channel_ready()
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
        answer_bytes = 0

        async def send(request: tuple[bytes, Metadata]) -> None:
            nonlocal answer_bytes
            response = await call(request[0], metadata=request[1], timeout=DEADLINE_S)
            answer_bytes = len(response)

        answer = await drive(send, from_whom, job["concurrency"])
    return {**answer, "answer_bytes": answer_bytes}


def _channel(job: Job) -> grpc.aio.Channel:
    proof = job.get("proof")
    if proof is None:
        return grpc.aio.insecure_channel(job["target"])
    files = (Path(proof[name]).read_bytes() for name in ("ca", "key", "certificate"))
    return grpc.aio.secure_channel(job["target"], grpc.ssl_channel_credentials(*files))


class Deliveries:
    """Stripe's side of the webhooks: signs events, and posts them until they are stored."""

    def __init__(self, http: aiohttp.ClientSession, job: Job) -> None:
        self._http = http
        self._url = job["target"]
        numbers = range(job["first"], job["first"] + job["count"])
        self.events = {n: payment_event(n) for n in numbers}
        self._signatures = {n: _signature(self.events[n], job["secret"]) for n in numbers}

    async def deliver(self, n: int) -> None:
        headers = {"Stripe-Signature": self._signatures[n]}
        async with self._http.post(self._url, data=self.events[n], headers=headers) as answer:
            text = await answer.text()
            if answer.status != 200 or "stored" not in text:
                raise RuntimeError(f"a webhook was answered with {answer.status}: {text}")


async def run_webhooks(job: Job) -> Answer:
    """Delivers events, each of them new, that the payments first, first + 1, ... succeeded."""
    connector = aiohttp.TCPConnector(limit=job["concurrency"])
    async with aiohttp.ClientSession(connector=connector) as http:
        deliveries = Deliveries(http, job)
        return await drive(deliveries.deliver, list(deliveries.events), job["concurrency"])


async def run_postings(job: Job) -> Answer:
    """As ``run_webhooks``, but ``rate_per_s`` of them, whether answered or not. A latency is from
    the sending of an event until a reader of the database finds its journal.
    """
    connection = await asyncpg.connect(job["database"], ssl=False)
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(DEADLINE_S * 2):
            return await _post_at_a_rate(Deliveries(http, job), connection, job["rate_per_s"])
    finally:
        await connection.close()


async def _post_at_a_rate(
    deliveries: Deliveries, connection: asyncpg.Connection, rate_per_s: float
) -> Answer:
    posted = await connection.prepare(POSTED)
    sent_at: dict[str, float] = {}
    latencies_s: list[float] = []

    async def look() -> None:
        while len(latencies_s) < len(deliveries.events):
            await asyncio.sleep(LOOK_EVERY_S)
            found = await posted.fetch(list(sent_at)) if sent_at else []
            seen_at = time.perf_counter()
            latencies_s.extend(seen_at - sent_at.pop(row["source_id"]) for row in found)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(look())
        for position, n in enumerate(deliveries.events):
            await asyncio.sleep(started + position / rate_per_s - time.perf_counter())
            sent_at[ids.show(ids.PAYMENT, number("payment", n))] = time.perf_counter()
            tasks.create_task(deliveries.deliver(n))
    return {"seconds": time.perf_counter() - started, "latencies_s": latencies_s}


async def run_balances(job: Job) -> Answer:
    """Reads balances of milestones that are far apart."""
    connection = await asyncpg.connect(job["target"], ssl=False)
    try:
        statement = await connection.prepare(READ_BALANCE)

        async def read(n: int) -> None:
            if await statement.fetchval(n) is None:
                raise RuntimeError(f"escrow {n} has no balance")

        return await drive(read, _far_apart(job), 1)
    finally:
        await connection.close()


async def run_balances_as_of(job: Job) -> Answer:
    """Reads the balance of the busiest account as of moments that are far apart."""
    pool = await open_pool(job["target"], min_size=1, max_size=1)
    try:

        async def read(n: int) -> None:
            found = await balances_as_of(pool, "default", [BUSY_ACCOUNT], journal_moment(n))
            if [balance.balance_minor for balance in found] != [(n + 1) * PAID_MINOR]:
                raise RuntimeError(f"{BUSY_ACCOUNT} was {found} as of journal {n}")

        return await drive(read, _far_apart(job), 1)
    finally:
        await pool.close()


def _far_apart(job: Job) -> list[int]:
    """The number of an escrow for each read, evenly spread."""
    step = max(job["escrows"] // job["count"], 1)
    return [n * step % job["escrows"] for n in range(job["count"])]


JOBS = dict.fromkeys(METHODS, run_rpc) | {
    "webhooks": run_webhooks,
    "postings": run_postings,
    "balances": run_balances,
    "balances as of": run_balances_as_of,
}


async def run(job: Job) -> Answer:
    return await JOBS[job["kind"]](job)


if __name__ == "__main__":
    # Else the collector looks through all that was imported in the middle of a job, and the call
    # that waits for its answer then seems to take 20 ms.
    gc.collect()
    gc.freeze()
    uvloop.run(answer_jobs(run))
