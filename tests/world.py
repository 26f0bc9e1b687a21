"""The whole system in its real parts, for scenarios.

PostgreSQL with a database of the world's own, and the sandbox, the service, its worker and the
gateway, each its own process, started by the command an operator would use. Signed webhooks go from
the sandbox to the gateway; the test calls the service with the client package and turns the
sandbox's controls. Nothing is replaced, and time passes in two places only: the sandbox's virtual
clock, and ``World.let_pass`` for what our own tables wait for.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp
import asyncpg

from escrow.client import EscrowClient, connect
from escrow.v1.escrow_service_pb2 import QuoteFeesRequest
from tests.postgres import Database, Server, migrated_database
from tests.scenarios.books import assert_same_as_stripe
from tests.scenarios.program import Program, run, until
from tests.scenarios.sandbox_client import API_KEY, SandboxClient
from tests.scenarios.wire import Wire
from tests.stripe_mock import refusals

PLATFORM_SECRET = "whsec_scenarios_platform"
CONNECT_SECRET = "whsec_scenarios_connect"
TENANTS = ("default", "neighbour")
CAPTURE_DELAY_MS = 40  # asynchronous all the same: the fee comes after the payment

OPEN_WORK = """
SELECT (SELECT count(*) FROM effects WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN'))
    + (SELECT count(*) FROM stripe_events WHERE state IN ('RECEIVED', 'PARKED'))"""
DESCRIBE_OPEN_WORK = """
SELECT kind AS what, state, error::text AS why FROM effects
WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN')
UNION ALL
SELECT type, state, reason FROM stripe_events
WHERE state IN ('RECEIVED', 'PARKED', 'SUSPENSE', 'QUARANTINED')"""
# The only places where our own tables wait for a time.
LET_PASS = (
    """\
UPDATE effects SET due_at = due_at - $1::interval, created_at = created_at - $1::interval,
    updated_at = updated_at - $1::interval, key_used_at = key_used_at - $1::interval,
    lease_expires_at = lease_expires_at - $1::interval
WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN')""",
    "UPDATE releases SET transfer_at = transfer_at - $1::interval WHERE state = 'WAITING'",
    "UPDATE receivables SET recover_at = recover_at - $1::interval WHERE state = 'OWED'",
    """\
UPDATE stripe_events SET due_at = due_at - $1::interval
WHERE state IN ('RECEIVED', 'PARKED')""",
    """\
UPDATE sweeps SET due_at = due_at - $1::interval,
    compare_due_at = compare_due_at - $1::interval""",
    "UPDATE deadlines SET leased_until = leased_until - $1::interval",
    """\
UPDATE undecided_transactions SET due_at = due_at - $1::interval,
    first_seen_at = first_seen_at - $1::interval
WHERE decided_at IS NULL""",
)


class World:
    """A running system. ``programs``: sandbox, service, worker, gateway."""

    def __init__(self, folder: Path, database: Database, pool: asyncpg.Pool) -> None:
        self.folder = folder
        self.database = database
        self.pool = pool  # the owner's: a test looks at everything, and writes only LET_PASS
        self.programs: dict[str, Program] = {}
        self.environment: dict[str, str] = {}
        self.sandbox: SandboxClient
        self.wire: Wire | None = None
        self.connection = AsyncExitStack()
        self.client: EscrowClient
        self.target = ""
        self.gateway_url = ""

    # --- programs

    async def start(self, name: str) -> str:
        told = await self.programs[name].start()
        if name == "service" and self.target:
            await self.connect_client()
        return told

    async def connect_client(self) -> None:
        """Connects to the service, and waits until it answers: a channel that was refused before
        waits out its pause first.
        """
        await self.connection.aclose()
        self.client = await self.connection.enter_async_context(
            connect(self.target, tenant="default", caller="scenarios", deadline_s=20)
        )
        question = QuoteFeesRequest(currency="USD", amounts_minor=[1_000])
        await self.client.escrows.QuoteFees(question, wait_for_ready=True)

    async def stop(self, name: str) -> None:
        await self.programs[name].stop()

    async def kill(self, name: str) -> None:
        await self.programs[name].kill()

    async def start_all(self) -> None:
        """Starts what a scenario before has left dead."""
        for name, program in self.programs.items():
            if not program.is_running:
                await self.start(name)

    def add(self, name: str, command: list[str], environment: dict[str, str], ready: str) -> None:
        self.programs[name] = Program(name, command, environment, self.folder, ready)

    # --- time

    async def let_pass(self, seconds: float) -> None:
        """Time passes for what our own tables wait for: leases, pauses, the life of a key."""
        while True:
            # A shared commit may lock some of the same rows in another order.
            with suppress(asyncpg.DeadlockDetectedError):
                async with self.pool.acquire() as connection, connection.transaction():
                    for statement in LET_PASS:
                        await connection.execute(statement, timedelta(seconds=seconds))
                return

    async def settle(self) -> None:
        """Waits until nothing is on its way any more: no event, no effect, no fee unknown."""
        await self.sandbox.release()
        # Also the longest pause before a delivery is tried again; captures are long done by then.
        while await self.sandbox.deliveries("pending"):
            await self.sandbox.advance(3600)
        await self.sandbox.advance(2)

        async def nothing_open() -> bool:
            await self.let_pass(60)
            return bool(await self.pool.fetchval(OPEN_WORK) == 0)

        await until(nothing_open, "end of the open effects and events")

    # --- the books

    async def check(self) -> None:
        """Everything that must hold after any scenario."""
        await self.settle()
        odd = [tuple(row) for row in await self.pool.fetch(DESCRIBE_OPEN_WORK)]
        assert not odd, odd
        assert await self.sandbox.schema_problems() == []
        sent = (await self.sandbox.control("GET", "requests"))["data"]
        assert await refusals(sent) == []  # by Stripe's own judge, where it is installed
        await assert_same_as_stripe(self.pool, self.sandbox)
        await self.verify()

    async def verify(self) -> str:
        """`escrow verify` finds nothing; its report."""
        status, output = await run(["service", "verify"], self.programs["service"].environment)
        assert status == 0, output
        return output


@dataclass(frozen=True, slots=True)
class Stripe:
    """Another Stripe than a sandbox of the world's own: its address, and a key that it takes."""

    url: str
    key: str = field(repr=False)


@asynccontextmanager
async def open_world(
    server: Server,
    template: str,
    folder: Path,
    *,
    wired: bool = False,
    environment: Mapping[str, str] | None = None,
    tenant: Mapping[str, object] | None = None,
    stripe: Stripe | None = None,
) -> AsyncIterator[World]:
    """Starts everything, each on a free port, and stops it at the end.

    ``wired`` puts a wire between the service and the sandbox on which requests and answers can be
    held back and lost. ``environment`` is for service, worker and gateway alike, ``tenant`` are
    more settings of each tenant. With ``stripe`` there is no sandbox of the world's own: the
    controls and ``check`` do not work, and nobody delivers events to the gateway.
    """
    async with AsyncExitStack() as opened:
        database = await opened.enter_async_context(migrated_database(server, template))
        pool = await opened.enter_async_context(
            asyncpg.create_pool(database.owner_dsn, min_size=1, max_size=4)
        )
        http = await opened.enter_async_context(aiohttp.ClientSession())
        world = World(folder, database, pool)
        world.environment |= environment or {}
        opened.push_async_callback(_end_all, world)
        if stripe:
            stripe_url = stripe.url
            world.sandbox = SandboxClient(stripe.url, http, stripe.key)
            tenant = {**(tenant or {}), "stripe_secret_key": stripe.key}
        else:
            stripe_url = await _start_sandbox(world, http)
        if wired:
            world.wire = await opened.enter_async_context(Wire.to(stripe_url))
            stripe_url = world.wire.url
        await _start_service(world, _write_tenants(folder, stripe_url, tenant or {}))
        await _start_gateway(world)
        if stripe is None:
            await _subscribe_gateway(world)
        await world.connect_client()
        opened.push_async_callback(world.connection.aclose)
        yield world


async def _start_sandbox(world: World, http: aiohttp.ClientSession) -> str:
    world.add(
        "sandbox", ["stripe_sandbox", "--port", "0"], {}, r"Stripe sandbox listening on (\S+)"
    )
    url = await world.start("sandbox")
    world.sandbox = SandboxClient(url, http)
    await world.sandbox.control("POST", "settings", capture_delay_ms=CAPTURE_DELAY_MS)
    return url


async def _start_service(world: World, tenants: Path) -> None:
    environment = world.environment | {
        "ESCROW_AUTH": "development",
        "ESCROW_DATABASE_URL": world.database.service_dsn,
        "ESCROW_DATABASE_POOL_MAX": "10",
        "ESCROW_DRAIN_S": "5",
        "ESCROW_GRPC_PORT": "0",
        "ESCROW_LOG_FORMAT": "json",
        "ESCROW_TENANTS_FILE": str(tenants),
    }
    world.add("service", ["service", "serve", "--json"], environment, r'"listening": "([^"]+)"')
    world.target = await world.start("service")
    # After a restart the gateway and the clients find it where it was.
    world.programs["service"].environment["ESCROW_GRPC_PORT"] = world.target.rpartition(":")[2]
    environment = environment | {"ESCROW_DATABASE_URL": world.database.worker_dsn}
    world.add("worker", ["service", "work", "--json"], environment, r'"workers": \["')
    await world.start("worker")


async def _start_gateway(world: World) -> None:
    environment = world.environment | {
        "ESCROW_GATEWAY_PORT": "0",
        "ESCROW_SERVICE_TARGET": world.target,
        "ESCROW_TENANTS_FILE": str(world.folder / "tenants.json"),
    }
    world.add("gateway", ["webhook_gateway"], environment, r"gateway listening on (http\S+)")
    world.gateway_url = await world.start("gateway")
    world.programs["gateway"].environment["ESCROW_GATEWAY_PORT"] = world.gateway_url.rpartition(
        ":"
    )[2]


async def _subscribe_gateway(world: World) -> None:
    for name, secret in (("platform", PLATFORM_SECRET), ("connect", CONNECT_SECRET)):
        endpoint = await world.sandbox.stripe(
            "POST",
            "/v1/webhook_endpoints",
            url=f"{world.gateway_url}/stripe/default/{name}",
            connect="true" if name == "connect" else "false",
            **{"enabled_events[0]": "*"},
        )
        await world.sandbox.control(
            "POST", f"webhook_endpoints/{endpoint['id']}/roll_secret", secret=secret
        )


def _write_tenants(folder: Path, stripe_url: str, more: Mapping[str, object]) -> Path:
    """One file for both programs, as a deployment mounts it."""
    secrets = {"platform": {"current": PLATFORM_SECRET}, "connect": {"current": CONNECT_SECRET}}
    entry = {
        "stripe_secret_key": API_KEY,
        "stripe_api_base": stripe_url,
        "stripe_rate_per_s": 1000,  # the sandbox has no limit
        "webhook_secrets": secrets,
        **more,
    }
    file = folder / "tenants.json"
    file.write_text(json.dumps({"tenants": dict.fromkeys(TENANTS, entry)}))
    return file


async def _end_all(world: World) -> None:
    """In the reverse order of their start; a worker that was killed stays so."""
    for program in reversed(world.programs.values()):
        await program.end()
