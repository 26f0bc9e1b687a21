"""Everything on one machine, each part its own process; started in order, ended in reverse.

PostgreSQL, the sandbox, then worker, service and gateway: so at the end events stop coming in, then
calls, and last the worker finishes what is under way at Stripe.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import aiohttp
from rich.console import Console
from rich.markup import escape

from service.local.children import ChildEnded, Children, why_ended
from service.local.database import DATABASE, embedded_database, migrate
from service.local.environments import (
    SANDBOX_KEY,
    gateway_environment,
    new_webhook_secrets,
    sandbox_environment,
    service_environment,
)
from service.local.folder import Addresses, write_private
from service.local.identities import STORY
from service.local.postgres.embedded import EmbeddedPostgres
from service.local.probes import grpc_serves, http_answers, log_contains
from service.local.setup import ENDPOINTS, HOST, TENANT, Setup
from service.local.stripe_account import OR_THE_SANDBOX, require_stripe


class LocalSystem:
    """Starts and ends the parts, and prints a line about each."""

    def __init__(self, setup: Setup, console: Console) -> None:
        self.setup = setup
        self.console = console
        self.children = Children(setup.folder / "logs", self._ended)
        self._postgres: EmbeddedPostgres | None = None
        self._stopping = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Addresses]:
        """Starts all of it, yields where everything is, and ends it in order."""
        async with AsyncExitStack() as opened:
            yield await self._start(opened)

    async def require_postgres(self) -> None:
        """Raises ChildEnded when the PostgreSQL that was started here is gone, and not just busy
        with its recovery, from which it comes back by itself.
        """
        if self._postgres is None:
            return
        server = self._postgres.server
        if not await asyncio.to_thread(server.answers):
            raise ChildEnded(why_ended("PostgreSQL ended", server.log))

    # --- starting

    async def _start(self, opened: AsyncExitStack) -> Addresses:
        setup, children = self.setup, self.children
        self.console.print("[bold]Starting[/]")
        if setup.stripe:
            with self._starting("Stripe") as say:
                await require_stripe(setup.stripe, otherwise=OR_THE_SANDBOX)
                say(f"your test account at {setup.stripe.api_base}")
        database_url = setup.database_url
        if database_url is None:
            with self._starting("PostgreSQL") as say:
                folder = setup.database_folder
                self._postgres = await opened.enter_async_context(
                    embedded_database(folder, lambda: self._ended("PostgreSQL"))
                )
                database_url = self._postgres.dsn(DATABASE)
                say(f"keeps its data in {folder}")
        await opened.enter_async_context(children)
        webhook_secrets = setup.stripe.webhook_secrets if setup.stripe else new_webhook_secrets()
        if setup.sandbox_url:
            with self._starting("Stripe sandbox") as say:
                await self._start_sandbox(webhook_secrets)
                say(setup.sandbox_url)
        with self._starting("migrations") as say:
            applied = await migrate(database_url)
            say(f"{applied} applied" if applied else "nothing to do")
        await self._start_service(database_url, webhook_secrets)
        return Addresses(
            setup.target,
            setup.gateway_url,
            setup.sandbox_url,
            database_url,
            TENANT,
            str(setup.folder / "logs"),
            str(setup.identities.folder),
            os.getpid(),
        )

    async def _start_sandbox(self, webhook_secrets: Mapping[str, str]) -> None:
        setup = self.setup
        config = setup.folder / "stripe-sandbox.json"
        webhooks = [
            {
                "url": setup.webhook_url(endpoint),
                "secret": webhook_secrets[endpoint],
                "connect": endpoint == "connect",
            }
            for endpoint in ENDPOINTS
        ]
        write_private(config, json.dumps({"webhooks": webhooks}))
        child = await self.children.start(
            "sandbox",
            "stripe_sandbox",
            *("--port", str(setup.sandbox_port)),
            *("--data", str(setup.folder / "stripe-sandbox.sqlite")),
            *("--config", str(config)),
            env=sandbox_environment(),
        )
        assert setup.sandbox_url is not None
        await self.children.ready(child, http_answers(f"{setup.sandbox_url}/_sandbox/clock"))
        await _forget_other_endpoints(setup)

    async def _start_service(self, database_url: str, webhook_secrets: Mapping[str, str]) -> None:
        """Starts all three at once, because most of a start is Python's imports."""
        setup, children = self.setup, self.children
        setup.identities.make(HOST, TENANT)
        environment = service_environment(setup, database_url)
        with self._starting("worker") as say:
            worker = await children.start("worker", "service", "work", "--json", env=environment)
            service = await children.start("service", "service", "serve", "--json", env=environment)
            gateway = await children.start(
                "gateway", "webhook_gateway", env=gateway_environment(setup, webhook_secrets)
            )
            await children.ready(worker, log_contains(worker, '"workers": ["'))
            say("calls Stripe, applies its events")
        with self._starting("service") as say:
            await children.ready(service, grpc_serves(setup.target, setup.identities.files(STORY)))
            say(f"gRPC on {setup.target}, with TLS and clients' certificates")
        with self._starting("gateway") as say:
            await children.ready(gateway, http_answers(f"{setup.gateway_url}/readyz"))
            say(f"webhooks on {setup.gateway_url}/stripe/{TENANT}/...")

    # --- what is printed

    @contextmanager
    def _starting(self, name: str) -> Iterator[Callable[[str], None]]:
        started = time.monotonic()
        says: list[str] = []
        with self.console.status(f"[dim]{name}[/]"):
            yield says.append
        took_s = time.monotonic() - started
        self.console.print(
            f"  [green]✓[/] {name:<15} {escape(''.join(says))} [dim]({took_s:.1f} s)[/]"
        )

    def _ended(self, name: str) -> None:
        if not self._stopping:
            self._stopping = True
            self.console.print("\n[bold]Stopping[/] [dim]what is under way is finished first[/]")
        self.console.print(f"  [green]✓[/] {name}")


async def _forget_other_endpoints(setup: Setup) -> None:
    """Deletes the gateways of earlier starts on other ports: the sandbox would deliver to them."""
    url = f"{setup.sandbox_url}/v1/webhook_endpoints"
    headers = {"Authorization": f"Bearer {SANDBOX_KEY}"}
    ours = {setup.webhook_url(endpoint) for endpoint in ENDPOINTS}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(url, params={"limit": "100"}) as answer:
            known = (await answer.json())["data"]
        for endpoint in known:
            if endpoint["url"] not in ours:
                async with http.delete(f"{url}/{endpoint['id']}") as answer:
                    answer.raise_for_status()
