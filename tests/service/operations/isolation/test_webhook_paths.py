"""What one tenant's secret signs reaches that tenant and no other, whatever the path looks like."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.metrics import NoOpMeterProvider

from tests.postgres import Database
from tests.service.operations.isolation.secrets import rows_of
from tests.service.operations.marketplace import (
    NEIGHBOUR,
    TENANT,
    Event,
    Marketplace,
    open_marketplace,
)
from tests.webhook_gateway.neighbours import sign
from webhook_gateway.config import Settings
from webhook_gateway.server import running
from webhook_gateway.telemetry import Telemetry
from webhook_gateway.tenants import Tenants

US, THEM = NEIGHBOUR, TENANT
ENDPOINTS = ("platform", "connect")
# Each leads to them, or would where somebody on the way reads it otherwise than who checks it.
TO_THEM = (
    f"/stripe/{THEM}/platform",
    f"/stripe/{THEM}/connect",
    f"/stripe/{THEM[:-1]}%{ord(THEM[-1]):x}/platform",
    f"/stripe/{US}/../{THEM}/platform",
    f"/stripe/{US}/%2e%2e/{THEM}/platform",
    f"/stripe/{US}/%2E%2E%2F{THEM}/platform",
    f"/stripe/{US}%2f..%2f{THEM}/platform",
    f"/stripe/{US}/platform/../../{THEM}/platform",
    f"/stripe/./{THEM}/platform",
    f"//stripe/{THEM}/platform",
    f"/stripe//{THEM}/platform",
    f"/stripe/{THEM}//platform",
    f"/stripe/{THEM}/platform/",
    f"/stripe/{THEM}/platform?tenant={US}",
    f"/stripe/{THEM}/platform#/stripe/{US}/platform",
    f"/stripe/{THEM};{US}/platform",
    f"/stripe/{THEM},{US}/platform",
    f"/stripe/{THEM}%00{US}/platform",
    f"/stripe/{THEM}%0d%0aescrow-tenant:%20{THEM}/platform",
    f"/stripe/{THEM.upper()}/platform",
    f"/STRIPE/{THEM}/platform",
    f"http://stripe.example/stripe/{THEM}/platform",
    "/stripe/nobody/platform",
    "/stripe/*/platform",
)
HEADERS = {
    "escrow-tenant": THEM,
    "X-Escrow-Tenant": THEM,
    "X-Original-URL": TO_THEM[0],
    "X-Rewrite-URL": TO_THEM[0],
    "X-Forwarded-Prefix": f"/stripe/{THEM}",
    "X-HTTP-Method-Override": "PUT",
}


@dataclass
class Door:
    """The gateway of both, and the two behind it."""

    theirs: Marketplace
    ours: Marketplace
    port: int

    async def post(self, path: str, event: Event, secret: str, **headers: str) -> int:
        """The status. By hand, for a client of HTTP would tidy up the path."""
        body = json.dumps(event).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = (
            f"POST {path} HTTP/1.1",
            "Host: gateway",
            "Connection: close",
            *(f"{name}: {value}" for name, value in headers.items()),
            f"Stripe-Signature: {sign(body, secret)}",
            f"Content-Length: {len(body)}",
        )
        writer.write("\r\n".join((*head, "", "")).encode() + body)
        answer = await reader.read()
        writer.close()
        return int(answer.split()[1])


def secret_of(tenant: str, endpoint: str = "platform") -> str:
    return f"whsec_{tenant}_{endpoint}"


@pytest.fixture
async def door(
    database: Database, sandbox_url: str, neighbours_url: str, tmp_path: Path
) -> AsyncIterator[Door]:
    file = tmp_path / "tenants.json"
    tenants = {
        tenant: {
            "webhook_secrets": {each: {"current": secret_of(tenant, each)} for each in ENDPOINTS}
        }
        for tenant in (US, THEM)
    }
    file.write_text(json.dumps({"tenants": tenants}))
    untold = Telemetry(None, NoOpMeterProvider())
    async with open_marketplace(database, sandbox_url, neighbours_url) as theirs:
        target = f"127.0.0.1:{theirs.running.port}"
        settings = Settings(port=0, service_target=target, deadline_s=5)
        async with (
            theirs.next_door(neighbours_url) as ours,
            running(settings, Tenants.load(file), untold) as address,
        ):
            yield Door(theirs, ours, int(address.rpartition(":")[2]))


async def paid(market: Marketplace) -> Event:
    """An event of which nobody was told: the payment of an escrow."""
    await market.pay(await market.fund(await market.new_escrow()))
    return next(each for each in await market.news() if each["type"] == "payment_intent.succeeded")


async def test_no_path_takes_what_another_secret_signed(door: Door) -> None:
    their_event, our_event = await paid(door.theirs), await paid(door.ours)
    to_us = [f"/stripe/{US}/{endpoint}" for endpoint in ENDPOINTS]

    async with door.theirs.unchanged():
        for event in (their_event, our_event):
            taken = [
                path
                for path in TO_THEM
                for endpoint in ENDPOINTS
                if await door.post(path, event, secret_of(US, endpoint)) < 400
            ]
            taken += [
                path
                for path in to_us
                for endpoint in ENDPOINTS
                if await door.post(path, event, secret_of(THEM, endpoint)) < 400
            ]
            assert taken == []


async def test_their_event_with_our_secret_is_ours_and_keeps_nothing_from_them(door: Door) -> None:
    """We know its id and its objects; they are told of it after us, and it is news to them."""
    event = await paid(door.theirs)
    owner = door.theirs.owner
    theirs = await rows_of(owner, THEM)

    assert await door.post(f"/stripe/{US}/platform", event, secret_of(US), **HEADERS) == 200
    await door.ours.inbox.run_once()
    assert await rows_of(owner, THEM) == theirs

    ours = await rows_of(owner, US)
    assert await door.post(f"/stripe/{THEM}/platform", event, secret_of(THEM)) == 200
    await door.theirs.inbox.run_once()
    states = "SELECT state FROM stripe_events WHERE tenant_id = $1 AND event_id = $2"
    assert await owner.fetchval(states, THEM, event["id"]) == "PROCESSED"
    assert await owner.fetchval(states, US, event["id"]) == "PARKED"
    assert await rows_of(owner, US) == ours
    booked = "SELECT DISTINCT tenant_id FROM journals"
    assert [row["tenant_id"] for row in await owner.fetch(booked)] == [THEM]
