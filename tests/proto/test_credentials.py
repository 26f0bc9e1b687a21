"""What proves who calls is renewed while the client runs."""

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import escrow.credentials
import escrow.tokens
from escrow.client import (
    CredentialsUnusable,
    RefreshedToken,
    TlsFiles,
    TokenFile,
    connect,
    connect_sync,
)
from service.local.certificates import Authority, Pair
from service.rpc import tls
from tests.proto.test_client import REQUEST, Behaviour, Context, Service, serving

LOOK_EVERY_S = 0.05


@dataclass
class Place:
    """A server that demands a certificate, and a client's files."""

    service: Service
    authority: Authority
    own: Pair
    callers: list[str] = field(default_factory=list)

    @property
    def files(self) -> TlsFiles:
        return TlsFiles(self.authority.file, self.own.certificate, self.own.key)

    def renew(self) -> None:
        pair = self.authority.issue("renewed")
        self.own.key.write_bytes(pair.key.read_bytes())
        self.own.certificate.write_bytes(pair.certificate.read_bytes())

    def behaviour(self, gate: asyncio.Event | None = None) -> Behaviour:
        async def note(context: Context) -> None:
            shown: Any = context.auth_context()
            self.callers += [name.decode() for name in shown["x509_common_name"]]
            if gate is not None:
                await gate.wait()

        return note


@pytest_asyncio.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(escrow.credentials, "LOOK_EVERY_S", LOOK_EVERY_S)
    authority = Authority(tmp_path)
    server = authority.issue("server", hosts=["localhost"])
    credentials = tls.server_credentials(
        tls.TlsFiles(server.certificate, server.key, authority.file)
    )
    async with serving(credentials=credentials) as service:
        yield Place(service, authority, authority.issue("orders"))


async def test_a_renewed_certificate_is_used_and_calls_end_on_the_old_one(place: Place) -> None:
    gate = asyncio.Event()
    place.service.behaviours = [place.behaviour(gate), place.behaviour()]
    async with connect(
        place.service.target, tenant="acme", caller="orders", credentials=place.files
    ) as client:
        first = asyncio.ensure_future(client.escrows.GetEscrow(REQUEST))
        await asyncio.wait_for(place.service.arrived.wait(), 5)
        place.renew()
        await asyncio.sleep(2 * LOOK_EVERY_S)
        await client.acting("payer").escrows.GetEscrow(REQUEST)
        gate.set()
        await first

    assert place.callers == ["orders", "renewed"]


async def test_a_renewed_certificate_is_used_by_threads_too(place: Place) -> None:
    gate = asyncio.Event()
    place.service.behaviours = [place.behaviour(gate), place.behaviour()]
    with connect_sync(
        place.service.target, tenant="acme", caller="orders", credentials=place.files
    ) as client:
        first = asyncio.create_task(asyncio.to_thread(client.escrows.GetEscrow, REQUEST))
        await asyncio.wait_for(place.service.arrived.wait(), 5)
        place.renew()
        await asyncio.sleep(2 * LOOK_EVERY_S)
        await asyncio.to_thread(client.acting("payer").escrows.GetEscrow, REQUEST)
        gate.set()
        await first

    assert place.callers == ["orders", "renewed"]


async def test_half_a_renewal_leaves_what_was_there(place: Place) -> None:
    place.service.behaviours = [place.behaviour()]
    async with connect(
        place.service.target, tenant="acme", caller="orders", credentials=place.files
    ) as client:
        place.own.key.write_bytes(place.authority.issue("other").key.read_bytes())
        await asyncio.sleep(2 * LOOK_EVERY_S)
        await client.escrows.GetEscrow(REQUEST)

    assert place.callers == ["orders"]


async def test_files_that_cannot_be_used_are_told_before_any_call(place: Place) -> None:
    nowhere = TlsFiles(Path("/nowhere/ca.pem"))
    mixed = TlsFiles(place.authority.file, place.own.certificate, place.authority.issue("b").key)
    alone = TlsFiles(place.authority.file, place.own.certificate)
    for files in (nowhere, mixed, alone):
        with pytest.raises(CredentialsUnusable):
            connect_sync("localhost:1", tenant="acme", caller="orders", credentials=files)
        with pytest.raises(CredentialsUnusable):
            async with connect("localhost:1", tenant="acme", caller="orders", credentials=files):
                pass


# --- tokens


class Issuer:
    """Makes tokens that live for ``life_s``, and counts them; ``broken`` makes it raise."""

    def __init__(self, life_s: float) -> None:
        self.life_s = life_s
        self.made = 0
        self.broken = False
        self.threads: set[str] = set()
        self.fetches: list[tuple[float, float]] = []
        """When each began and ended."""

    def __call__(self) -> str:
        self.threads.add(threading.current_thread().name)
        began = time.monotonic()
        time.sleep(0.1)
        self.fetches.append((began, time.monotonic()))
        if self.broken:
            raise OSError("the issuer is away")
        self.made += 1
        claims = {"exp": time.time() + self.life_s, "jti": self.made}
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return f"e30.{payload}.c2ln"


async def test_a_token_is_fetched_before_it_expires_and_no_call_waits() -> None:
    issuer, calls = Issuer(life_s=2), []
    async with (
        serving() as service,
        connect(
            service.target, tenant="acme", caller="orders", token=RefreshedToken(issuer)
        ) as client,
    ):
        while len(issuer.fetches) < 3:
            began = time.monotonic()
            await client.escrows.GetEscrow(REQUEST)
            calls.append((began, time.monotonic()))
            await asyncio.sleep(0.02)
        await client.escrows.GetEscrow(REQUEST)

    # A call that waited for a fetch would not end before it.
    fetched = issuer.fetches[1:]
    assert any(
        fetch_began < began and ended < fetch_ended
        for fetch_began, fetch_ended in fetched
        for began, ended in calls
    )
    sent = [str(metadata["authorization"]).split(".")[1] for metadata in service.metadata]
    assert len(set(sent)) >= 3
    for at_s, payload in zip(service.times_s, sent, strict=True):
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        assert claims["exp"] > time.time() - (time.monotonic() - at_s)  # it lived when it was sent
    assert "MainThread" not in issuer.threads


async def test_calls_of_threads_wait_for_one_fetch_together() -> None:
    issuer = Issuer(life_s=60)
    async with serving() as service:
        with (
            connect_sync(
                service.target, tenant="acme", caller="orders", token=RefreshedToken(issuer)
            ) as client,
            ThreadPoolExecutor(8) as threads,
        ):
            loop = asyncio.get_running_loop()
            calls = [
                loop.run_in_executor(threads, client.escrows.GetEscrow, REQUEST) for _ in range(8)
            ]
            await asyncio.gather(*calls)

    assert issuer.made == 1
    assert len({metadata["authorization"] for metadata in service.metadata}) == 1


def test_a_token_that_lives_is_used_while_the_issuer_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(escrow.tokens, "RETRY_S", 0.05)
    issuer = Issuer(life_s=1)
    token = RefreshedToken(issuer)
    first = token()
    issuer.broken = True
    time.sleep(0.85)
    assert token() == first
    time.sleep(0.3)
    with pytest.raises(OSError, match="away"):  # it has expired
        token()
    issuer.broken = False
    assert token() != first


async def test_a_connection_without_a_token_is_not_made() -> None:
    issuer = Issuer(life_s=1)
    issuer.broken = True

    with pytest.raises(OSError, match="away"):
        async with connect(
            "localhost:1", tenant="acme", caller="orders", token=RefreshedToken(issuer)
        ):
            pass
    with pytest.raises(ValueError, match="no JWT"):
        RefreshedToken(lambda: "opaque")()
    for provider in (RefreshedToken(issuer), "token"):
        with pytest.raises(ValueError, match="plain text"):
            async with connect("escrow:50051", tenant="acme", caller="orders", token=provider):
                pass


def test_a_token_in_a_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escrow.credentials, "LOOK_EVERY_S", LOOK_EVERY_S)
    file = tmp_path / "token"
    with pytest.raises(CredentialsUnusable):
        TokenFile(file)
    file.write_text("first\n")
    token = TokenFile(file)
    for content, read in (("first", "first"), ("second\n", "second"), ("two words", "second")):
        file.write_text(content)
        time.sleep(2 * LOOK_EVERY_S)
        assert token() == read
