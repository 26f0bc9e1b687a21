"""One end to try: the whole system in front of a Stripe, and all that crosses the wire recorded."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import stripe
from aiohttp import web
from stripe import StripeClient

from tests.acceptance.relay import Relay
from tests.acceptance.shapes import Exchange
from tests.postgres import Server
from tests.scenarios.wire import Wire
from tests.world import Stripe, World, open_world

ACCOUNT_OBJECTS = ("account", "v2.core.account")


class NeedsAPerson(Exception):
    """Nobody is there to fill in a page of Stripe's."""


@dataclass
class Recorder:
    """Everything that was answered, in order."""

    exchanges: list[Exchange] = field(default_factory=list)

    def record(self, request: web.Request, status: int, content: bytes) -> None:
        try:
            body = json.loads(content)
        except ValueError:
            body = None
        self.exchanges.append(Exchange(request.method, request.path, status, body))

    def created(self) -> dict[str, dict[str, Any]]:
        """The objects that a POST answered with, by id, each as it was seen last."""
        found: dict[str, dict[str, Any]] = {}
        for exchange in self.exchanges:
            body = exchange.body
            if not isinstance(body, dict) or not isinstance(body.get("id"), str):
                continue
            made = exchange.method == "POST" and exchange.status < 300
            if made or body["id"] in found:
                found[body["id"]] = body
        return found


@dataclass
class End:
    """``ask_person`` shows a link to somebody who can open it; None where nobody is there."""

    stripe: Stripe
    world: World
    client: StripeClient
    recorder: Recorder
    ask_person: Callable[[str], None] | None

    async def onboard(self, link: str) -> None:
        """A payee fills in the page: a program does where the page is the sandbox's.

        Raises:
            NeedsAPerson.
        """
        if link.startswith(self.stripe.url):
            status, _, text = await self.world.sandbox.submit(
                link,
                legal_name="Bob Payee",
                routing_number="110000000",
                account_number="000123456789",
            )
            assert status == 303, text
        elif self.ask_person is None:
            raise NeedsAPerson("nobody is here to open Stripe's onboarding page")
        else:
            self.ask_person(link)


@asynccontextmanager
async def open_end(
    at: Stripe,
    server: Server,
    template: str,
    folder: Path,
    ask_person: Callable[[str], None] | None = None,
) -> AsyncIterator[End]:
    """Service, worker and gateway in front of this Stripe, with its events relayed."""
    recorder = Recorder()
    async with (
        Wire.to(at.url, recorder.record) as wire,
        open_world(server, template, folder, stripe=Stripe(wire.url, at.key)) as world,
        aiohttp.ClientSession() as http,
    ):
        addresses: Any = {"api": wire.url, "files": wire.url, "connect": wire.url}
        client = StripeClient(
            at.key,
            base_addresses=addresses,
            http_client=stripe.AIOHTTPClient(session=http),
        )
        relay = Relay(client, world.gateway_url, http)
        relaying = asyncio.create_task(_relay(relay, recorder))
        try:
            yield End(at, world, client, recorder, ask_person)
        finally:
            relaying.cancel()
            await asyncio.gather(relaying, return_exceptions=True)


async def _relay(relay: Relay, recorder: Recorder) -> None:
    while True:
        created = recorder.created().values()
        relay.accounts = {each["id"] for each in created if each.get("object") in ACCOUNT_OBJECTS}
        await relay.run_once()
        await asyncio.sleep(0.5)
