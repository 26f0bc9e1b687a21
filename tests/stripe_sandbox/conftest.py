"""A real sandbox on a free port, the real Stripe client, and a receiver of webhooks.

Every request, answer and event is held against the schemas derived from the `stripe` package: what
the client exchanges by `check_answer`, what the receiver gets when it arrives.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import aiohttp
import pytest
import stripe
from aiohttp import web
from stripe import StripeClient

from stripe_sandbox.app import build_app, full_registry
from stripe_sandbox.events import API_VERSION
from stripe_sandbox.form import decode_form
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.store import Json, Store
from stripe_sandbox.webhook_endpoints import configure_endpoints
from tests.stripe_sandbox.schema_check import problems_in_event, problems_in_exchange

API_KEY = "sk_test_sandbox"
PLATFORM_SECRET = "whsec_platform"
CONNECT_SECRET = "whsec_connect"

stripe.enable_telemetry = False


def check_answer(
    method: str, url: str, sent: str | bytes | None, status: int, answer: Json
) -> None:
    """Hold a request and its answer against the schemas; `sent` is the form or JSON body."""
    address = urlsplit(url)
    params = decode_form(address.query)
    if isinstance(sent, bytes):  # a multipart form, of which the small parts are interesting
        parts = re.findall(rb'name="([a-z]+)"(?:.*\r?\n)+?\r?\n(.*)', sent)
        params |= {name.decode(): text.decode(errors="replace").strip() for name, text in parts}
    elif sent and address.path.startswith("/v2/"):
        params |= json.loads(sent)
    elif sent:
        params |= decode_form(sent)
    problems = problems_in_exchange(method.upper(), address.path, params, status, answer)
    assert not problems, problems


@dataclass
class Received:
    """One webhook delivery as it arrived."""

    endpoint: str
    body: bytes
    signature: str

    @property
    def event(self) -> Json:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Two webhook endpoints, `/platform` and `/connect`, that answer `status`."""

    url: str = ""
    status: int = 200
    received: list[Received] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        delivery = Received(
            request.path.strip("/"), await request.read(), request.headers["Stripe-Signature"]
        )
        # An assertion here would only fail the delivery; the fixture asserts that none was found.
        self.problems += problems_in_event(delivery.event)
        self.received.append(delivery)
        self.arrived.set()
        return web.Response(status=self.status)

    def events(self, event_type: str | None = None) -> list[Json]:
        """The events received so far, of one type or of all."""
        events = [delivery.event for delivery in self.received]
        return [event for event in events if event_type in (None, event["type"])]

    async def wait_for(self, event_type: str, count: int = 1) -> list[Json]:
        """The events of a type, once that many have arrived."""
        async with asyncio.timeout(5):
            while len(self.events(event_type)) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.events(event_type)


@dataclass
class Running:
    """A sandbox that serves, and the ways to talk to it."""

    url: str
    sandbox: Sandbox
    client: StripeClient
    http: aiohttp.ClientSession
    receiver: Receiver
    stop: Callable[[], Awaitable[None]]

    async def control(self, method: str, path: str, /, **body: Json) -> Json:
        """Call a control under /_sandbox/; the answer's JSON."""
        async with self.http.request(method, f"{self.url}/_sandbox/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def advance(self, seconds: int) -> None:
        """Move the virtual clock and wait for what that causes."""
        await self.control("POST", "clock/advance", seconds=seconds)

    async def hold(self, *currencies: str) -> None:
        """From now on the platform holds these currencies only, the accounts their banks'."""
        await self.control(
            "POST",
            "settings",
            settlement_currencies=list(currencies),
            accounts_settle_in="external_accounts",
        )

    async def worth(self, **dollars: float) -> None:
        """From now on one unit of each named currency is worth that many dollars."""
        await self.control("POST", "exchange_rates", **dollars)

    async def raw(
        self, method: str, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, Mapping[str, str], Json]:
        """A request without the SDK, in the current version: (status, headers, JSON body)."""
        sent = {"Authorization": f"Bearer {API_KEY}", "Stripe-Version": API_VERSION}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = urlencode(form) if form else None
        if data:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        async with self.http.request(method, self.url + path, data=data, headers=sent) as answer:
            body = await answer.json()
            check_answer(method, path, data, answer.status, body)
            return answer.status, answer.headers, body

    async def books(self) -> Json:
        """The books, which must always balance."""
        books = await self.control("GET", "books")
        assert books["balanced"], books
        return books


async def charge_in(
    running: Running,
    currency: str,
    amount: int,
    method: str = "pm_card_visa",
    capture_method: str = "automatic",
) -> Json:
    """A charge of the platform with its balance transaction, which is there at once."""
    client: Json = running.client
    intent = await client.v1.payment_intents.create_async(
        {
            "amount": amount,
            "currency": currency,
            "payment_method": method,
            "allowed_payment_method_types": ["card"],
            "capture_method": capture_method,
            "confirm": True,
            "expand": ["latest_charge.balance_transaction"],
        }
    )
    return intent.latest_charge


def posted(transaction: Json) -> tuple[int, str, float | None]:
    """What moved in the books, and at which rate it was converted, if it was."""
    return transaction.amount, transaction.currency, transaction.exchange_rate


class CheckedHTTPClient(stripe.AIOHTTPClient):
    """The SDK's own client, with every exchange held against its schemas on the way."""

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        content, status, answer_headers = await super().request_async(
            method, url, headers, post_data
        )
        check_answer(method, url, post_data, status, json.loads(content))
        return content, status, answer_headers


def connect_client(url: str, http_client: stripe.HTTPClient) -> StripeClient:
    """The real Stripe client against a sandbox; it retries nothing."""
    return StripeClient(
        API_KEY,
        http_client=http_client,
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
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    await runner.cleanup()
    assert not receiver.problems


@pytest.fixture
async def start(receiver: Receiver) -> AsyncIterator[Start]:
    """Starts sandboxes (with a data file if asked) and stops them all after the test."""
    started: list[Running] = []

    async def start_one(data: Path | None = None) -> Running:
        sandbox = Sandbox(full_registry(), Store(data))
        configure_endpoints(
            sandbox,
            [
                {"url": f"{receiver.url}/platform", "secret": PLATFORM_SECRET},
                {"url": f"{receiver.url}/connect", "secret": CONNECT_SECRET, "connect": True},
            ],
        )
        runner = web.AppRunner(build_app(sandbox), shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = sandbox.state.public_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        http_client = CheckedHTTPClient()
        client = connect_client(url, http_client)
        http = aiohttp.ClientSession()

        async def stop() -> None:
            await http_client.close_async()  # type: ignore[no-untyped-call] # untyped in stripe
            await http.close()
            await runner.cleanup()

        started.append(Running(url, sandbox, client, http, receiver, stop))
        return started[-1]

    yield start_one
    for running in started:
        await running.stop()


@pytest.fixture
async def running(start: Start) -> Running:
    """One sandbox with its state in memory."""
    return await start()
