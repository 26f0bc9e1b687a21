"""Secrets are planted, and looked for in everything that the programs write: their logs, what the
command line prints, what is exported to the collector, and the process list. The run includes what
usually brings secrets to light: failures.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import grpc
import pytest

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from tests.collector import collecting
from tests.postgres import Server
from tests.scenarios.deal import RETURN_URL, open_deal
from tests.scenarios.program import run, until
from tests.scenarios.sandbox_client import API_KEY
from tests.world import CONNECT_SECRET, PLATFORM_SECRET, World, open_world

PASSWORD = "planted-database-password"
TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJwbGFudGVkIn0.cGxhbnRlZHNpZ25hdHVyZQ"
ROLLED_KEY = "sk_test_plantedandrolled"
OURS = ("service", "worker", "gateway")
COMMANDS = (
    ["verify"],
    ["sweep"],
    ["effects", "list", "--all"],
    ["events", "list", "--json"],
    ["suspense", "list"],
    ["check-stripe-key"],
    ["effects", "show", "eff_0193" + "0" * 28],
)


@dataclass
class Planted:
    """What nobody may read, by what it is."""

    secrets: dict[str, str] = field(default_factory=dict)

    def found_in(self, text: str) -> set[str]:
        return {what for what, secret in self.secrets.items() if secret in text}


def with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    user = parts.username or "escrow"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{host}"))


def process_list() -> Iterator[str]:
    """What everybody on this machine may see of every process."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes().replace(b"\0", b" ").decode("latin-1")
        except OSError:  # it has ended
            continue


async def test_no_secret_is_ever_told(
    postgres_server: Server, template_database: str, tmp_path: Path
) -> None:
    planted = Planted(
        {
            "the API key": API_KEY,
            "the rolled API key": ROLLED_KEY,
            "the platform's webhook secret": PLATFORM_SECRET,
            "the webhook secret of Connect": CONNECT_SECRET,
            "the database's password": PASSWORD,
            "the caller's token": TOKEN,
        }
    )
    async with collecting() as collector:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "ESCROW_LOG_LEVEL": "debug",
            "ESCROW_TENANTS_POLL_S": "0.2",
        }
        async with open_world(
            postgres_server, template_database, tmp_path, environment=environment
        ) as world:
            for name in ("service", "worker"):
                program = world.programs[name]
                url = program.environment["ESCROW_DATABASE_URL"]
                program.environment["ESCROW_DATABASE_URL"] = with_password(url, PASSWORD)
                await world.stop(name)
                await world.start(name)
            await _trade(world, planted)
            await _fail(world)
            told = await _say(world)
            for name in OURS:
                await world.stop(name)
            seen = await _seen_as_people_start_it(world)
            logs = {name: world.programs[name].log.read_text() for name in OURS}

        exported = "\n".join(span.text for span in collector.spans)
        measured = json.dumps(collector.metrics, default=str)
    assert len(planted.secrets) == 8
    for where, text in {**logs, **told, "spans": exported, "metrics": measured}.items():
        assert len(text) > 10, f"{where} says nothing"
        assert planted.found_in(text) == set(), where
    assert "-m service serve" in seen
    assert planted.found_in(seen) == set()


async def _seen_as_people_start_it(world: World) -> str:
    """The process list while the service runs: what is forked has its forker's command line."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "serve"),
        env={**os.environ, **world.programs["service"].environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline()  # it has read its settings
        return "\n".join(process_list())
    finally:
        process.kill()
        await process.wait()


async def _trade(world: World, planted: Planted) -> None:
    """A deal that goes well, with every secret that is told to a party on the way."""
    deal = await open_deal(world)
    await deal.fund()
    planted.secrets["a client secret"] = deal.payment.client_secret
    assert deal.payment.client_secret
    await deal.pay()
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    request = party_pb.CreateOnboardingLinkRequest(
        request_id=new_request_id(),
        payee_id=deal.payee.id,
        return_url=RETURN_URL,
        refresh_url=RETURN_URL,
    )
    link = await deal.as_payee.parties.CreateOnboardingLink(request)
    planted.secrets["an onboarding link"] = urlsplit(link.url).path
    # A token in the wrong place, and as a value of another key.
    metadata = {"authorization": f"Bearer {TOKEN}", "escrow-caller": f"Bearer {TOKEN}"}
    async with grpc.aio.insecure_channel(world.target) as channel:
        stranger = EscrowClient(channel, metadata, 10.0)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stranger.escrows.ListEscrows(pb.ListEscrowsRequest())
        assert TOKEN not in str(refused.value)


async def _fail(world: World) -> None:
    """Stripe refuses the key, fails and cuts; a signature is wrong; the tenants file is."""
    for kind in ("status", "cut_after_effect", "page_after_effect"):
        body = {"kind": kind, "path_prefix": "/v1/customers"}
        await world.sandbox.control("POST", "faults", **body)
        with suppress(grpc.aio.AioRpcError):  # or Stripe's client has tried again
            await _new_payer(world, deadline_s=5)
    file = world.folder / "tenants.json"
    good = file.read_text()
    await world.sandbox.control("POST", "keys", key=ROLLED_KEY, expired=True)
    file.write_text(good.replace(API_KEY, ROLLED_KEY))
    await _until_told(world, "tenants read again")
    with pytest.raises(grpc.aio.AioRpcError):
        await _new_payer(world, deadline_s=5)
    file.write_text(good.replace(API_KEY, f"{API_KEY} and more"))
    await _until_told(world, "tenants not used")
    file.write_text(good)
    headers = {"Stripe-Signature": f"t=1,v1={PLATFORM_SECRET}"}
    url = f"{world.gateway_url}/stripe/default/platform"
    async with aiohttp.ClientSession() as http, http.post(url, data=b"{}", headers=headers) as got:
        assert got.status == 400


async def _new_payer(world: World, *, deadline_s: float) -> None:
    request = party_pb.CreatePayerRequest(
        request_id=new_request_id(), reference=new_request_id(), name="A", email="a@example.com"
    )
    await world.client.parties.CreatePayer(request, timeout=deadline_s)


async def _until_told(world: World, line: str) -> None:
    async def told() -> bool:
        return line in world.programs["service"].output()

    await until(told, line)


async def _say(world: World) -> dict[str, str]:
    """What the commands print, where all is well and where the password is refused."""
    environment = world.programs["worker"].environment
    told = {" ".join(each): (await run(["service", *each], environment))[1] for each in COMMANDS}
    nowhere = with_password("postgresql://x@127.0.0.1:9/escrow", PASSWORD)
    broken = environment | {"ESCROW_DATABASE_URL": nowhere, "ESCROW_DRAIN_S": PASSWORD}
    for each in (["verify"], ["serve"], ["migrate", "status"]):
        told[f"broken {each[0]}"] = (await run(["service", *each], broken))[1]
    unreachable = environment | {"ESCROW_DATABASE_URL": nowhere}
    told["unreachable"] = (await run(["service", "verify"], unreachable))[1]
    assert "cannot use the database" in told["unreachable"]
    return told
