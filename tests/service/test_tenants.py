"""Tenants and their keys change while the service runs."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import grpc
import pytest
import structlog
from grpc import StatusCode

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from service.config import Config, Settings, load_tenants
from service.server import Running, running
from service.workers.effects import EffectsWorker
from tests.postgres import Database
from tests.service.operations.marketplace import Sandbox

FIRST, SECOND = "sk_test_firstkey", "sk_test_secondkey"


class House:
    """A service whose tenants are read from a file every tenth of a second."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.running: Running
        self.owner: asyncpg.Connection
        self.channel: grpc.aio.Channel

    def write(self, tenants: Mapping[str, str], **more: object) -> None:
        """Each tenant with its key, which is a file of its own."""
        entries = {}
        for name, key in tenants.items():
            (self.folder / f"{name}.key").write_text(key)
            entries[name] = {
                "stripe_secret_key": {"file": f"{name}.key"},
                "stripe_api_base": self.sandbox.url,
                **more,
            }
        (self.folder / "tenants.json").write_text(json.dumps({"tenants": entries}))

    def client(self, tenant: str) -> EscrowClient:
        return EscrowClient(self.channel, {"escrow-tenant": tenant}, 20.0)

    async def create_payer(self, tenant: str, request_id: str = "") -> party_pb.Payer:
        request = party_pb.CreatePayerRequest(
            request_id=request_id or new_request_id(),
            reference=f"r-{request_id or new_request_id()}",
            name="Ann",
            email="ann@example.com",
        )
        return (await self.client(tenant).parties.CreatePayer(request)).payer

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(15):
            while not await holds():  # noqa: ASYNC110  the service looks by itself
                await asyncio.sleep(0.05)

    async def until_served(self, tenant: str, *, served: bool) -> None:
        async def as_wanted() -> bool:
            return (tenant in self.running.runtime.stripe) is served

        await self.until(as_wanted)

    async def customers(self) -> list[dict[str, Any]]:
        told = await self.sandbox.control("requests", verb="GET")
        return [
            each
            for each in told["data"]
            if (each["method"], each["path"]) == ("POST", "/v1/customers")
        ]


@pytest.fixture
async def house(
    database: Database, sandbox_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    monkeypatch.setenv("ESCROW_TENANTS_FILE", str(tmp_path / "tenants.json"))
    structlog.reset_defaults()  # whatever another program's tests have configured
    monkeypatch.setattr("service.tenants.log", structlog.get_logger())
    async with AsyncExitStack() as opened:
        http = await opened.enter_async_context(aiohttp.ClientSession())
        house = House(tmp_path, Sandbox(sandbox_url, http))
        await house.sandbox.reset()
        house.write({"acme": FIRST})
        settings = Settings(
            auth="development",
            database_url=database.service_dsn,  # type: ignore[arg-type]  # read from text, as ever
            grpc_port=0,
            drain_s=1,
            tenants_poll_s=0.1,
        )
        config = Config(settings, load_tenants(), load_tenants)
        house.running = await opened.enter_async_context(running(config, serve=True, work=False))
        target = f"127.0.0.1:{house.running.port}"
        house.channel = await opened.enter_async_context(grpc.aio.insecure_channel(target))
        house.owner = await asyncpg.connect(database.owner_dsn)
        opened.push_async_callback(house.owner.close)
        yield house


async def test_a_changed_key_is_used_for_the_next_call(house: House) -> None:
    await house.create_payer("acme")
    await house.sandbox.control("keys", key=FIRST, expired=True)
    gateway = house.running.runtime.stripe["acme"]
    (house.folder / "acme.key").write_text(SECOND)

    async def is_new() -> bool:
        return house.running.runtime.stripe["acme"] is not gateway

    await house.until(is_new)
    payer = await house.create_payer("acme")

    assert payer.stripe_customer
    assert [each["status"] for each in await house.customers()] == [200, 200]


async def test_a_call_that_is_under_way_ends_with_the_key_it_began_with(house: House) -> None:
    await house.sandbox.fail_next("/v1/customers", "latency", latency_ms=1500)
    under_way = asyncio.create_task(house.create_payer("acme"))
    await asyncio.sleep(0.5)
    gateway = house.running.runtime.stripe["acme"]
    (house.folder / "acme.key").write_text(SECOND)

    async def is_new() -> bool:
        return house.running.runtime.stripe["acme"] is not gateway

    await house.until(is_new)
    assert not under_way.done()

    assert (await under_way).stripe_customer
    assert len(await house.customers()) == 1  # neither cut, nor sent twice


async def test_a_tenant_is_added_and_removed_while_it_runs(house: House) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.create_payer("globex")
    assert refused.value.code() == StatusCode.UNAUTHENTICATED

    house.write({"acme": FIRST, "globex": SECOND})
    await house.until_served("globex", served=True)
    assert (await house.create_payer("globex")).stripe_customer

    house.write({"acme": FIRST})
    await house.until_served("globex", served=False)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.create_payer("globex")
    assert refused.value.code() == StatusCode.UNAUTHENTICATED
    assert (await house.create_payer("acme")).stripe_customer


async def test_what_a_removed_tenant_left_waits_until_it_is_back(house: House) -> None:
    house.write({"acme": FIRST, "globex": SECOND})
    await house.until_served("globex", served=True)
    await house.sandbox.fail_next("/v1/customers", status=429, times=10)
    request_id = new_request_id()
    with pytest.raises(grpc.aio.AioRpcError):
        await house.create_payer("globex", request_id)
    await house.sandbox.control("faults", verb="DELETE")
    asked_before = len(await house.customers())
    house.write({"acme": FIRST})
    await house.until_served("globex", served=False)

    worker = EffectsWorker(house.running.runtime)
    await house.owner.execute("UPDATE effects SET due_at = now() - interval '1 minute'")
    assert await worker.run_once() == 1

    ((state, error),) = await house.owner.fetch("SELECT state, error FROM effects")
    assert (state, json.loads(error)) == ("PLANNED", {"code": "the tenant is not configured"})
    assert len(await house.customers()) == asked_before

    house.write({"acme": FIRST, "globex": SECOND})
    await house.until_served("globex", served=True)
    await house.owner.execute("UPDATE effects SET due_at = now() - interval '1 minute'")
    assert await worker.run_once() == 1
    assert (await house.create_payer("globex", request_id)).stripe_customer
    assert await house.owner.fetchval("SELECT state FROM effects") == "SUCCEEDED"


@pytest.mark.parametrize(
    ("key", "more"),
    [
        ("not a key", {}),
        (FIRST, {"conversion": "perhaps"}),
        (FIRST, {"return_hosts": ["https://shop.example"]}),
    ],
)
async def test_what_cannot_be_used_changes_nothing(
    house: House, key: str, more: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    house.write({"acme": key, "globex": SECOND}, **more)
    await asyncio.sleep(0.5)

    assert list(house.running.runtime.stripe) == ["acme"]
    assert (await house.create_payer("acme")).stripe_customer
    told = "".join(capsys.readouterr())
    assert told.count("tenants not used") == 1
    assert "not a key" not in told
    house.write({"acme": FIRST, "globex": SECOND})
    await house.until_served("globex", served=True)


async def test_a_live_key_does_not_come_in_by_the_back_door(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does not start where everybody is believed, and so is not taken while that runs."""
    document = {"tenants": {"acme": {"stripe_secret_key": FIRST}}}
    document["tenants"]["globex"] = {"stripe_secret_key": "sk_live_globex"}
    (house.folder / "tenants.json").write_text(json.dumps(document))
    await asyncio.sleep(0.5)

    assert list(house.running.runtime.stripe) == ["acme"]
    assert "ESCROW_AUTH=development" in "".join(capsys.readouterr())


async def test_a_key_of_the_other_mode_is_another_account(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    (house.folder / "tenants.json").write_text(
        json.dumps({"tenants": {"acme": {"stripe_secret_key": "sk_live_acme"}}})
    )
    await asyncio.sleep(0.5)

    assert not house.running.runtime.stripe["acme"].livemode
    assert "its key is of the other mode" in "".join(capsys.readouterr())
