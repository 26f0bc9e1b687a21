"""A real sandbox on a free port, the real Stripe client, and a receiver of webhooks.

Every answer and every event passes through `check_answer` and `check_event`, the one place where
the schemas derived from the `stripe` package are held against what the sandbox says.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import stripe
from aiohttp import web
from stripe import StripeClient

from stripe_sandbox.app import SANDBOX, build_app, full_registry
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.store import Store
from stripe_sandbox.webhook_endpoints import configure_endpoints

API_KEY = "sk_test_sandbox"
PLATFORM_SECRET = "whsec_platform"
CONNECT_SECRET = "whsec_connect"

stripe.enable_telemetry = False


def check_answer(method: str, path: str, status: int, body: Any) -> None:
    """Hold an API answer against its schema."""


def check_event(event: Any) -> None:
    """Hold a delivered event against its schema."""


@dataclass
class Received:
    """One webhook delivery as it arrived."""

    endpoint: str
    body: bytes
    signature: str

    @property
    def event(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Two webhook endpoints, `/platform` and `/connect`, that answer `status`."""

    url: str = ""
    status: int = 200
    received: list[Received] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        delivery = Received(
            request.path.strip("/"), await request.read(), request.headers["Stripe-Signature"]
        )
        check_event(delivery.event)
        self.received.append(delivery)
        return web.Response(status=self.status)

    def events(self, event_type: str | None = None) -> list[Any]:
        """The events received so far, of one type or of all."""
        events = [delivery.event for delivery in self.received]
        return [event for event in events if event_type in (None, event["type"])]

    async def wait_for(self, event_type: str, count: int = 1) -> list[Any]:
        """The events of a type, once that many have arrived."""
        async with asyncio.timeout(5):
            while len(self.events(event_type)) < count:
                await asyncio.sleep(0.005)
        return self.events(event_type)


@dataclass
class Running:
    """A sandbox that serves, and the ways to talk to it."""

    url: str
    sandbox: Sandbox
    client: StripeClient
    http: aiohttp.ClientSession
    receiver: Receiver

    async def control(self, method: str, path: str, **body: Any) -> Any:
        """Call a control under /_sandbox/; the answer's JSON."""
        async with self.http.request(method, f"{self.url}/_sandbox/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def advance(self, seconds: int) -> None:
        """Move the virtual clock and wait for what that causes."""
        await self.control("POST", "clock/advance", seconds=seconds)

    async def raw(
        self, method: str, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, Any, Any]:
        """A request without the SDK: (status, headers, JSON body)."""
        sent = {"Authorization": f"Bearer {API_KEY}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.request(method, self.url + path, data=form, headers=sent) as answer:
            body = await answer.json()
            check_answer(method, path, answer.status, body)
            return answer.status, answer.headers, body

    async def books(self) -> Any:
        """The books, which must always balance."""
        books = await self.control("GET", "books")
        assert books["balanced"], books
        return books


class CheckedHTTPClient(stripe.AIOHTTPClient):
    """The SDK's own client, with every answer held against its schema on the way."""

    async def request_async(
        self, method: str, url: str, headers: Any, post_data: Any = None
    ) -> Any:
        content, status, answer_headers = await super().request_async(
            method, url, headers, post_data
        )
        check_answer(method.upper(), url, status, json.loads(content))
        return content, status, answer_headers


def connect_client(url: str, api_key: str = API_KEY) -> StripeClient:
    """The real Stripe client against a sandbox."""
    return StripeClient(
        api_key,
        http_client=CheckedHTTPClient(),
        base_addresses={"api": url, "files": url, "connect": url},
        max_network_retries=0,
    )


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{endpoint}", receiver.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def start(receiver: Receiver) -> AsyncIterator[Start]:
    """Start sandboxes that are stopped after the test: `await start(data=path)`."""
    stops: list[Callable[[], Awaitable[None]]] = []

    async def start_one(data: Path | None = None) -> Running:
        sandbox = Sandbox(full_registry(), Store(data))
        configure_endpoints(
            sandbox,
            [
                {"url": f"{receiver.url}/platform", "secret": PLATFORM_SECRET},
                {"url": f"{receiver.url}/connect", "secret": CONNECT_SECRET, "connect": True},
            ],
        )
        app = build_app(sandbox)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sandbox.public_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        client = connect_client(sandbox.public_url)
        http = aiohttp.ClientSession()

        async def stop() -> None:
            await client.close_async()
            await http.close()
            await runner.cleanup()

        stops.append(stop)
        return Running(sandbox.public_url, app[SANDBOX], client, http, receiver)

    yield start_one
    for stop in stops:
        await stop()


@pytest.fixture
async def running(start: Start) -> Running:
    """One sandbox with its state in memory."""
    return await start()
