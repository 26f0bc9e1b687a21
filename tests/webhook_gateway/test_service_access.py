"""The gateway proves who it is, and goes on while what proves it is replaced."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

import escrow.credentials
from escrow.credentials import CredentialsUnusable
from service.local.certificates import Authority, Pair
from service.rpc.tls import TlsFiles, server_credentials
from tests.webhook_gateway.neighbours import EventService, Gateway, Peer, sign
from webhook_gateway.config import Settings
from webhook_gateway.server import running
from webhook_gateway.telemetry import Telemetry
from webhook_gateway.tenants import Tenants

LOOK_EVERY_S = 0.05


def event(number: int) -> bytes:
    return f'{{"id": "evt_{number}", "type": "charge.updated"}}'.encode()


def replace(file: Path, content: bytes) -> None:
    """As whoever rotates secrets does: whole files only."""
    new = file.with_suffix(".new")
    new.write_bytes(content)
    new.replace(file)


@dataclass
class Place:
    """Where the gateway finds its files, and a service that demands a certificate."""

    folder: Path
    authority: Authority
    server: Pair
    gateway: Pair
    peer: Peer

    @property
    def service(self) -> EventService:
        return self.peer.service

    def settings(self, **more: object) -> Settings:
        given = {
            "service_target": self.peer.target,
            "service_ca_file": self.authority.file,
            "certificate_file": self.gateway.certificate,
            "key_file": self.gateway.key,
            "deadline_s": 5,
        }
        return Settings(port=0, **(given | more))  # type: ignore[arg-type]  # it checks them

    def give(self, pair: Pair) -> None:
        """Gives the gateway another certificate, one file after the other."""
        replace(self.gateway.key, pair.key.read_bytes())
        replace(self.gateway.certificate, pair.certificate.read_bytes())


@pytest_asyncio.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(escrow.credentials, "LOOK_EVERY_S", LOOK_EVERY_S)
    authority = Authority(tmp_path)
    server = authority.issue("server", hosts=["127.0.0.1"])
    service = EventService()
    service.gate.set()
    tls = server_credentials(TlsFiles(server.certificate, server.key, authority.file))
    peer = Peer(service, tls=tls)
    await peer.start()
    yield Place(tmp_path, authority, server, authority.issue("gateway", uri="spiffe://x/gw"), peer)
    await peer.stop()


async def test_the_certificate_says_that_the_gateway_calls(
    place: Place, tenants: Tenants, telemetry: Telemetry
) -> None:
    async with (
        running(place.settings(), tenants, telemetry) as address,
        aiohttp.ClientSession() as http,
    ):
        answer = await Gateway(address, http).post(event(1), sign(event(1)))

        assert answer == (200, "stored")
        assert place.service.callers == ["gateway"]
        async with http.get(f"{address}/readyz") as ready:
            assert ready.status == 200


async def test_without_one_nothing_is_stored_and_stripe_sends_again(
    place: Place, tenants: Tenants, telemetry: Telemetry
) -> None:
    settings = place.settings(certificate_file=None, key_file=None, deadline_s=1)
    async with (
        running(settings, tenants, telemetry) as address,
        aiohttp.ClientSession() as http,
    ):
        status, _ = await Gateway(address, http).post(event(1), sign(event(1)))

        assert status == 503
        assert place.service.received == []
        async with http.get(f"{address}/readyz") as ready:
            assert ready.status == 503


async def test_no_event_is_lost_while_certificates_and_authorities_are_replaced(
    place: Place, tenants: Tenants, telemetry: Telemetry
) -> None:
    other = Authority(place.folder / "other", "another authority")
    both = place.authority.file.read_bytes() + other.file.read_bytes()
    answers: list[tuple[int, str]] = []
    stopped = asyncio.Event()
    async with (
        running(place.settings(), tenants, telemetry) as address,
        aiohttp.ClientSession() as http,
    ):
        gateway = Gateway(address, http)

        async def deliver(lane: int) -> None:
            number = lane
            while not stopped.is_set():
                answers.append(await gateway.post(event(number), sign(event(number))))
                number += 4

        async with asyncio.TaskGroup() as lanes:
            for lane in range(4):
                lanes.create_task(deliver(lane))
            replace(place.authority.file, both)  # both sides accept the old and the new
            await asyncio.sleep(0.5)
            place.give(other.issue("renewed-gateway", uri="spiffe://x/gw"))
            renewed = other.issue("server", hosts=["127.0.0.1"])
            replace(place.server.key, renewed.key.read_bytes())
            replace(place.server.certificate, renewed.certificate.read_bytes())
            await asyncio.sleep(0.5)
            replace(place.authority.file, other.file.read_bytes())
            await asyncio.sleep(1)
            stopped.set()

    assert set(answers) == {(200, "stored")}
    payloads = [each.payload for each in place.service.received]
    assert len(payloads) == len(set(payloads)) == len(answers)
    assert place.service.callers[0] == "gateway"
    assert place.service.callers[-1] == "renewed-gateway"


async def test_a_call_that_is_under_way_ends_on_the_certificate_that_it_began_with(
    place: Place, tenants: Tenants, telemetry: Telemetry
) -> None:
    async with (
        running(place.settings(), tenants, telemetry) as address,
        aiohttp.ClientSession() as http,
    ):
        gateway = Gateway(address, http)
        place.service.gate.clear()
        first = asyncio.create_task(gateway.post(event(1), sign(event(1))))
        await asyncio.wait_for(place.service.arrival.wait(), 5)
        place.give(place.authority.issue("renewed", uri="spiffe://x/gw"))
        await asyncio.sleep(2 * LOOK_EVERY_S)
        place.service.arrival.clear()
        second = asyncio.create_task(gateway.post(event(2), sign(event(2))))
        await asyncio.wait_for(place.service.arrival.wait(), 5)

        place.service.gate.set()

        assert await first == await second == (200, "stored")
        assert place.service.callers == ["gateway", "renewed"]


async def test_half_a_rotation_leaves_what_was_there(
    place: Place, tenants: Tenants, telemetry: Telemetry
) -> None:
    async with (
        running(place.settings(), tenants, telemetry) as address,
        aiohttp.ClientSession() as http,
    ):
        gateway = Gateway(address, http)
        other = place.authority.issue("other", uri="spiffe://x/gw")
        replace(place.gateway.certificate, other.certificate.read_bytes())
        await asyncio.sleep(2 * LOOK_EVERY_S)

        assert await gateway.post(event(1), sign(event(1))) == (200, "stored")
        assert place.service.callers == ["gateway"]


async def test_a_token_is_sent_and_read_again(
    place: Place, tenants: Tenants, telemetry: Telemetry
) -> None:
    token = place.folder / "token"
    token.write_text("first\n")
    async with (
        running(place.settings(token_file=token), tenants, telemetry) as address,
        aiohttp.ClientSession() as http,
    ):
        gateway = Gateway(address, http)
        for content in ("first\n", "second\n", "\n"):  # an empty file is none
            replace(token, content.encode())
            await asyncio.sleep(2 * LOOK_EVERY_S)
            assert (await gateway.post(event(1), sign(event(1))))[0] == 200

    sent = [metadata["authorization"] for metadata in place.service.metadata]
    assert sent == ["Bearer first", "Bearer second", "Bearer second"]


async def test_files_that_cannot_be_used_do_not_start(
    place: Place, tenants: Tenants, telemetry: Telemetry
) -> None:
    other = place.authority.issue("other", uri="spiffe://x/gw")
    for changed in (
        {"key_file": other.key},
        {"service_ca_file": place.folder / "nowhere.pem"},
        {"service_ca_file": place.gateway.key},
        {"token_file": place.folder / "nowhere"},
    ):
        with pytest.raises(CredentialsUnusable) as problem:
            async with running(place.settings(**changed), tenants, telemetry):
                pass
        assert "\n" not in str(problem.value)
