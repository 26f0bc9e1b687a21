"""The load generator: a process of its own that reads jobs, one JSON object a line, and answers.

    {"kind": "release", "target": "127.0.0.1:5", "concurrency": 16, "count": 100, "first": 0}

Requests are made before the clock starts, and sent as bytes: it costs the same to load a floor as
to load the service. An answer has the seconds it took and the latency of every call.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import asyncpg
import grpc
import uvloop

from benchmarks.echo_server import SERVICE as ECHO
from benchmarks.fixture import PAYEES, number, sql_account
from escrow.v1 import escrow_service_pb2 as pb
from service.domain import ids
from service.stripe.gateway import API_VERSION

SERVICE = "escrow.v1.EscrowService"
METHODS = {"release": "ReleaseMilestone", "create": "CreateEscrow", "get": "GetEscrow"}
METADATA = (("escrow-tenant", "default"), ("escrow-caller", "bench"), ("escrow-party", "payer"))
DEADLINE_S = 60.0
READ_BALANCE = f"""
SELECT balance_minor FROM balances
WHERE tenant_id = 'default' AND account = {sql_account("held", "$1::bigint")}
    AND currency = 'USD'"""

Send = Callable[[bytes], Awaitable[object]]


def requests_of(kind: str, first: int, count: int) -> list[bytes]:
    """The requests of one job: about the escrows first, first + 1, ..."""
    make = {"release": _release, "create": _create, "get": _get}[kind]
    return [make(n).SerializeToString() for n in range(first, first + count)]


def _release(n: int) -> pb.ReleaseMilestoneRequest:
    return pb.ReleaseMilestoneRequest(
        request_id=str(uuid.uuid4()),
        escrow_id=ids.show(ids.ESCROW, number("escrow", n)),
        milestone_id=ids.show(ids.MILESTONE, number("milestone", n)),
    )


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


def event_of(n: int) -> bytes:
    """An event of the size that Stripe's about payments have."""
    filler = {f"field_{line}": "a value that is as long as they are" for line in range(40)}
    event = {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "api_version": API_VERSION,
        "livemode": False,
        "created": int(time.time()),
        "data": {"object": {"id": f"pi_bench_{n}", "object": "payment_intent", **filler}},
    }
    return json.dumps(event).encode()


def _signature(payload: bytes, secret: str) -> str:
    now = int(time.time())
    signed = hmac.new(secret.encode(), b"%d." % now + payload, hashlib.sha256).hexdigest()
    return f"t={now},v1={signed}"


async def drive(send: Send, requests: Sequence[bytes], concurrency: int) -> dict[str, Any]:
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


async def run_rpc(job: dict[str, Any]) -> dict[str, Any]:
    """Calls the service, or with ``echo`` the floor under the name of the method."""
    method = METHODS[job["kind"]]
    path = f"/{ECHO if job.get('echo') else SERVICE}/{method}"
    requests = requests_of(job["kind"], job["first"], job["count"])
    async with grpc.aio.insecure_channel(job["target"]) as channel:
        await channel.channel_ready()
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
        answer_bytes = 0

        async def send(request: bytes) -> None:
            nonlocal answer_bytes
            answer = await call(request, metadata=METADATA, timeout=DEADLINE_S)
            answer_bytes = len(answer)

        told = await drive(send, requests, job["concurrency"])
    return {**told, "answer_bytes": answer_bytes}


async def run_webhooks(job: dict[str, Any]) -> dict[str, Any]:
    """Delivers signed events, each of them new."""
    events = [event_of(n) for n in range(job["count"])]
    signatures = {event: _signature(event, job["secret"]) for event in events}
    connector = aiohttp.TCPConnector(limit=job["concurrency"])
    async with aiohttp.ClientSession(connector=connector) as http:

        async def send(event: bytes) -> None:
            headers = {"Stripe-Signature": signatures[event]}
            async with http.post(job["target"], data=event, headers=headers) as answer:
                text = await answer.text()
                if answer.status != 200 or "stored" not in text:
                    raise RuntimeError(f"a webhook was answered with {answer.status}: {text}")

        return await drive(send, events, job["concurrency"])


async def run_balances(job: dict[str, Any]) -> dict[str, Any]:
    """Reads balances of milestones that are far apart."""
    connection = await asyncpg.connect(job["target"], ssl=False)
    try:
        statement = await connection.prepare(READ_BALANCE)
        step = max(job["escrows"] // job["count"], 1)

        async def send(request: bytes) -> None:
            if await statement.fetchval(int(request)) is None:
                raise RuntimeError(f"escrow {int(request)} has no balance")

        keys = [b"%d" % (n * step % job["escrows"]) for n in range(job["count"])]
        return await drive(send, keys, 1)
    finally:
        await connection.close()


JOBS = dict.fromkeys(METHODS, run_rpc) | {"webhooks": run_webhooks, "balances": run_balances}


async def main() -> None:
    """Answers jobs until standard input ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        job = json.loads(line)
        told = await JOBS[job["kind"]](job)
        print(json.dumps(told), flush=True)  # noqa: T201  the answer


if __name__ == "__main__":
    uvloop.run(main())
