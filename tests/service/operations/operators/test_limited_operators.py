"""An operator who holds some tenants sees and mends nothing of the others, whatever they ask."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from escrow.client import EscrowClient, reason_of
from service.config import Config, Settings, Tenant
from service.server import running
from tests.postgres import Database
from tests.service.operations.asked import WHY
from tests.service.operations.catalogue import EVERY_REQUEST, METHODS, ask
from tests.service.operations.marketplace import API_KEY, NEIGHBOUR, TENANT, Marketplace
from tests.service.rpc.identity.issuer import Issuer, write_document

OPERATORS = sorted(
    name
    for name, method in METHODS.items()
    if method.containing_service.name == "OperatorService" or name == "LiftFreeze"
)
ISSUES = Issuer()


@pytest.fixture
async def proven(
    market: Marketplace, database: Database, tmp_path: Path
) -> AsyncIterator[grpc.aio.Channel]:
    """A second service on the same database, where callers prove who they are."""
    settings: dict[str, Any] = {
        "auth": "jwt",
        "auth_file": write_document(tmp_path / "auth.json", ISSUES),
        "database_url": database.service_dsn,
        "grpc_port": 0,
        "drain_s": 1,
    }
    async with AsyncExitStack() as opened:
        tenants = dict.fromkeys((TENANT, NEIGHBOUR), Tenant(API_KEY, market.sandbox.url, 1000))
        config = Config(Settings(**settings), tenants)
        everything = await opened.enter_async_context(running(config, serve=True, work=False))
        target = f"127.0.0.1:{everything.port}"
        yield await opened.enter_async_context(grpc.aio.insecure_channel(target))


def operator(channel: grpc.aio.Channel, tenant: str, *held: str) -> EscrowClient:
    token = ISSUES.token(sub="jo@example.com", roles=["operator"], tenants=list(held))
    metadata = {"authorization": f"Bearer {token}", "escrow-tenant": tenant}
    return EscrowClient(channel, metadata, 20.0)


@pytest.mark.parametrize("name", OPERATORS)
async def test_an_operator_works_at_the_tenants_that_they_hold(
    market: Marketplace, proven: grpc.aio.Channel, name: str
) -> None:
    asked = await EVERY_REQUEST[name](market)

    async with market.unchanged():
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(operator(proven, "default", "neighbour"), name, asked.request)
        assert reason_of(refused.value) == "TENANT_NOT_HELD"
        # At their own tenant, what they name of another does not exist, or nothing is listed.
        theirs = operator(proven, "neighbour", "neighbour")
        if name.startswith("List"):
            assert not (await ask(theirs, name, asked.request)).ListFields()
        else:
            with pytest.raises(grpc.aio.AioRpcError) as missing:
                await ask(theirs, name, asked.request)
            assert missing.value.code() == grpc.StatusCode.NOT_FOUND

    await ask(operator(proven, "default", "default", "neighbour"), name, asked.request)
    if hasattr(asked.request, "request_id"):
        kept = await market.owner.fetch(
            "SELECT tenant_id, caller, party, note FROM operations WHERE key = $1",
            asked.request.request_id,
        )
        ((tenant_id, caller, party, note),) = kept
        assert (tenant_id, caller, party) == ("default", "jo@example.com", "operator")
        assert note.endswith(asked.request.reason or WHY)
