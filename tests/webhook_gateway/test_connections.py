"""Connections that say nothing, or too little too slowly, and more than there is room for."""

import asyncio
import json
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.webhook_gateway.neighbours import Gateway, Peer, sign
from tests.webhook_gateway.test_main import SECRETS, address_of, started
from webhook_gateway.config import Settings
from webhook_gateway.connections import OWN_DESCRIPTORS
from webhook_gateway.server import running
from webhook_gateway.telemetry import Telemetry
from webhook_gateway.tenants import Tenants

EVENT = b'{"id": "evt_1", "type": "charge.updated", "object": "event"}'
HEAD = b"POST /stripe/default/platform HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2\r\n"
PROBE = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n"

Wire = tuple[StreamReader, StreamWriter]


@asynccontextmanager
async def opened(address: str, count: int, said: bytes = b"") -> AsyncIterator[list[Wire]]:
    """Connections that have said this much, and no more."""
    url = urlsplit(address)
    wires: list[Wire] = []
    try:
        while len(wires) < count:  # no more at a time than a backlog takes
            some = min(50, count - len(wires))
            waits = (asyncio.open_connection(url.hostname, url.port) for _ in range(some))
            wires += await asyncio.gather(*waits)
        for _, writer in wires:
            writer.write(said)
        yield wires
    finally:
        for _, writer in wires:
            writer.transport.abort()


async def is_dropped(wire: Wire) -> None:
    """Returns when the other side has closed it."""
    try:
        while await wire[0].read(1 << 12):
            pass
    except ConnectionError:
        pass


async def all_dropped(wires: list[Wire], within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        await asyncio.gather(*map(is_dropped, wires))


@pytest.fixture
def settings(peer: Peer) -> Settings:
    return Settings(
        port=0,
        service_target=peer.target,
        body_timeout_s=0.5,
        drain_s=5,
        header_timeout_s=0.6,
        idle_timeout_s=1.2,
        max_connections=150,
    )


@pytest.mark.parametrize("said", [b"", b"POST /str", HEAD], ids=["silent", "a word", "a head"])
async def test_who_does_not_come_to_the_point_is_dropped(gateway: Gateway, said: bytes) -> None:
    async with opened(gateway.address, 100, said) as wires:
        assert await gateway.post(EVENT, sign(EVENT)) == (200, "stored")
        await all_dropped(wires)
        assert await gateway.post(EVENT, sign(EVENT)) == (200, "stored")


async def test_a_word_now_and_then_does_not_help(gateway: Gateway) -> None:
    async with opened(gateway.address, 1, HEAD) as ((_, writer),):
        began_s = time.monotonic()
        while not writer.transport.is_closing() and time.monotonic() < began_s + 10:
            writer.write(b"X-Patience: a little more\r\n")
            await asyncio.sleep(0.1)
        assert 0.5 < time.monotonic() - began_s < 5


@pytest.mark.parametrize("said", [b"", b"GET /hea"], ids=["silent", "a word"])
async def test_a_connection_that_was_answered_is_kept_for_a_while(
    gateway: Gateway, said: bytes
) -> None:
    async with opened(gateway.address, 1, PROBE) as (wire,):
        reader, writer = wire
        await reader.readuntil(b"alive")
        await asyncio.sleep(0.8)  # longer than it may wait for its first request
        writer.write(PROBE)
        await reader.readuntil(b"alive")
        writer.write(said)
        await all_dropped([wire])


async def test_who_is_being_answered_is_not_dropped(gateway: Gateway, peer: Peer) -> None:
    peer.service.gate.clear()
    delivery = asyncio.create_task(gateway.post(EVENT, sign(EVENT)))
    await asyncio.sleep(2)
    peer.service.gate.set()
    assert await delivery == (200, "stored")


async def test_more_than_there_is_room_for_take_the_room_of_those_who_say_nothing(
    settings: Settings, tenants: Tenants, telemetry: Telemetry
) -> None:
    patient = settings.model_copy(update={"header_timeout_s": 60, "idle_timeout_s": 60})
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(running(patient, tenants, telemetry))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        wires = await stack.enter_async_context(opened(address, 400))
        ends = [asyncio.ensure_future(is_dropped(wire)) for wire in wires]
        assert await Gateway(address, http).post(EVENT, sign(EVENT)) == (200, "stored")
        await asyncio.sleep(1)
        assert sum(not end.done() for end in ends) == 149
        for end in ends:
            end.cancel()


@pytest.mark.parametrize("descriptors", [64, 128])
async def test_few_descriptors_are_said_and_survived(peer: Peer, descriptors: int) -> None:
    """A flood of silent connections meanwhile, and a channel to the service that breaks."""
    variables = {
        **SECRETS,
        "ESCROW_SERVICE_TARGET": peer.target,
        "ESCROW_GATEWAY_HEADER_TIMEOUT_S": "3",
    }
    async with (
        started("--port", "0", descriptors=str(descriptors), **variables) as process,
        aiohttp.ClientSession() as http,
    ):
        gateway = Gateway(await address_of(process), http)
        async with opened(gateway.address, 300) as wires:
            for _ in range(5):
                assert await gateway.post(EVENT, sign(EVENT)) == (200, "stored")
            await all_dropped(wires, within_s=20)
        await peer.stop()
        await peer.start()  # a new descriptor for the channel
        async with asyncio.timeout(20):
            while await gateway.post(EVENT, sign(EVENT)) != (200, "stored"):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.2)
        process.terminate()
        _, errors = await asyncio.wait_for(process.communicate(), timeout=30)
    assert process.returncode == 0
    lines = [json.loads(line) for line in errors.decode().splitlines() if line.startswith("{")]
    assert lines[0]["event"] == "few_descriptors"
    assert lines[0]["connections"] == descriptors - OWN_DESCRIPTORS
