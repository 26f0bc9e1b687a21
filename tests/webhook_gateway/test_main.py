"""The program as it is started: by its name, with an environment, stopped by a signal."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.webhook_gateway.neighbours import CONNECT_SECRET, PLATFORM_SECRET, Gateway, Peer, sign

ROOT = Path(__file__).parents[2]
EVENT = b'{"id": "evt_1", "type": "charge.updated"}'
SECRETS = {
    "STRIPE_WEBHOOK_SECRET_PLATFORM": PLATFORM_SECRET,
    "STRIPE_WEBHOOK_SECRET_CONNECT": CONNECT_SECRET,
}


@asynccontextmanager
async def started(
    *arguments: str, descriptors: str = "", **variables: str
) -> AsyncIterator[Process]:
    """With ``descriptors``, the process may have no more of them."""
    limit = f"ulimit -n {descriptors}; " if descriptors else ""
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        f'{limit}exec "$@"',
        "sh",
        sys.executable,
        "-m",
        "webhook_gateway",
        *arguments,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}", **variables},
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def address_of(process: Process) -> str:
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), timeout=30)).decode()
    assert line.startswith("gateway listening on http://127.0.0.1:")
    return line.split()[-1]


async def refusal(*arguments: str, **variables: str) -> str:
    """What a program that cannot start says: exit status 2 and one line."""
    async with started(*arguments, **variables) as process:
        output, errors = await asyncio.wait_for(process.communicate(), timeout=30)
    assert process.returncode == 2
    assert output == b""
    (line,) = errors.decode().splitlines()
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_what_is_in_flight_end(peer: Peer, number: signal.Signals) -> None:
    peer.service.gate.clear()
    variables = {**SECRETS, "ESCROW_SERVICE_TARGET": peer.target}
    async with started("--port", "0", **variables) as process, aiohttp.ClientSession() as http:
        gateway = Gateway(await address_of(process), http)
        delivery = asyncio.create_task(gateway.post(EVENT, sign(EVENT)))
        await peer.service.arrival.wait()
        process.send_signal(number)
        peer.service.gate.set()
        assert await delivery == (200, "stored")
        _, errors = await asyncio.wait_for(process.communicate(), timeout=30)
    assert process.returncode == 0
    (line,) = [json.loads(line) for line in errors.decode().splitlines()]
    assert line["outcome"] == "stored"
    assert line["level"] == "info"
    assert peer.service.metadata[0]["traceparent"].split("-")[1] == line["trace_id"]  # type: ignore[arg-type]  # a text header


async def test_what_waits_for_a_call_ends_properly_too(peer: Peer) -> None:
    bodies = [b'{"id": "evt_%d", "type": "charge.updated"}' % number for number in range(150)]
    variables = {**SECRETS, "ESCROW_SERVICE_TARGET": peer.target}
    connector = aiohttp.TCPConnector(limit=len(bodies))
    async with (
        started("--port", "0", **variables) as process,
        aiohttp.ClientSession(connector=connector) as http,
    ):
        gateway = Gateway(await address_of(process), http)
        # Once with an open gate: the connections are there, and none is left in a backlog.
        await asyncio.gather(*(gateway.post(body, sign(body)) for body in bodies))
        peer.service.gate.clear()
        peer.service.calls.clear()
        deliveries = [asyncio.create_task(gateway.post(body, sign(body))) for body in bodies]
        async with asyncio.timeout(20):
            while len(peer.service.calls) < 2:  # noqa: ASYNC110 - the other side has nobody to tell us
                await asyncio.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert len(peer.service.received) < len(bodies)
        peer.service.gate.set()
        assert set(await asyncio.gather(*deliveries)) == {(200, "stored")}
        await asyncio.wait_for(process.communicate(), timeout=30)
    assert process.returncode == 0
    assert {event.payload for event in peer.service.received} == set(bodies)


async def test_a_configuration_that_cannot_be_used_is_one_line() -> None:
    line = await refusal(ESCROW_GATEWAY_PORT="x")
    for variable in ("ESCROW_GATEWAY_PORT", *SECRETS):
        assert variable in line


async def test_a_port_that_is_taken_is_one_line(gateway: Gateway) -> None:
    port = str(urlsplit(gateway.address).port)
    line = await refusal("--port", port, **SECRETS)
    assert f"cannot listen on 127.0.0.1:{port}" in line
