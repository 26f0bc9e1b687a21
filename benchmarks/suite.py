"""What is compared with what: everything is started once, then measured in interleaved rounds."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from benchmarks.fixture import ENTRIES_PER_ESCROW, PAYEES, fund_escrows, prepare_database
from benchmarks.load import METHODS
from benchmarks.pgbench import run_pgbench, write_script
from benchmarks.plan import BUSY, CONCURRENCIES, PGBENCH_CLIENTS, Plan
from benchmarks.programs import LoadGenerator, Program, load_generator, program
from benchmarks.samples import MICRO, Sample, percentile_ms
from service.embedded_postgres import EmbeddedPostgres

SERVE = ("-m", "service", "serve", "--json")
SERVING = r'"listening": "([^"]+)"'
NOBODY = "http://127.0.0.1:9"  # the service has a Stripe, and nothing here calls it
SECRET = "whsec_benchmarks"  # noqa: S105  signs what the load generator sends
WARM_UP_SHARE = 4  # a warm-up is a round with a quarter of the calls

Measure = Callable[["Round"], Awaitable[Sample]]


@dataclass(frozen=True, slots=True)
class Round:
    """How much of the plan's counts one round takes: all, or for a warm-up a part."""

    share: int

    def of(self, calls: int) -> int:
        return max(calls // self.share, 1)


@dataclass
class Database:
    """One database of the run, and the number of its next escrow that nobody released."""

    dsn: str
    owner: asyncpg.Connection
    next_escrow: int = 0

    def take(self, escrows: int) -> int:
        first = self.next_escrow
        self.next_escrow += escrows
        return first


class Suite:
    """The measurements, by name in the order in which a round runs them."""

    def __init__(self, plan: Plan, postgres: EmbeddedPostgres, folder: Path) -> None:
        self.plan = plan
        self.postgres = postgres
        self.folder = folder
        self.measures: dict[str, Measure] = {}
        self.skipped: dict[str, str] = {}
        self.programs: dict[str, Program] = {}
        self._load: LoadGenerator
        self._postmaster: psutil.Process

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Starts every program, fills every database, and warms all of it up."""
        async with AsyncExitStack() as stack:
            self._load = await stack.enter_async_context(load_generator())
            main = await self._database(stack)
            self._postmaster = await _postmaster(main.owner)
            await self._add_rpcs(stack, main)
            self._add_pgbench(main)
            await self._add_webhooks(stack, main)
            for name, entries in zip(("few", "many"), self.plan.entries, strict=True):
                await self._add_growth(stack, name, entries)
            # After it, the first change of a page writes the whole page: the warm-up pays for many.
            await main.owner.execute("CHECKPOINT")
            await self.round(Round(WARM_UP_SHARE))
            yield

    async def round(self, size: Round) -> dict[str, Sample]:
        """Every measurement once."""
        return {name: await measure(size) for name, measure in self.measures.items()}

    # --- what is measured

    async def _add_rpcs(self, stack: AsyncExitStack, main: Database) -> None:
        service = await self._service(stack, "service", main)
        calls = sum(self.plan.calls.values())
        rounds = self.plan.rounds + 1
        per_pgbench = len(PGBENCH_CLIENTS) * self.plan.pgbench_transactions
        total = rounds * (calls + per_pgbench) + len(METHODS)
        await fund_escrows(main.owner, 0, total, PAYEES)
        self._hot = Database(main.dsn, main.owner, next_escrow=total)
        await fund_escrows(main.owner, total, rounds * self.plan.calls[BUSY], payees=1)
        await main.owner.execute("VACUUM ANALYZE")
        sizes = {}
        for kind, method in METHODS.items():
            told = await self._load.run(
                kind=kind, target=service.address, concurrency=1, count=1, first=main.take(1)
            )
            sizes[method] = told["answer_bytes"]
        answers = [f"{method}={size}" for method, size in sizes.items()]
        echo = await stack.enter_async_context(
            program(
                ["-m", "benchmarks.echo_server", *answers],
                says=r"listening on (\S+)",
                folder=self.folder,
            )
        )
        self.programs["echo"] = echo
        for concurrency in CONCURRENCIES:
            calls = self.plan.calls[concurrency]
            for kind in METHODS:
                name = f"{kind} {concurrency}"
                self.measures[f"echo {name}"] = self._rpc(
                    echo, kind, concurrency, calls * self.plan.echo_factor, main, echo=True
                )
                self.measures[name] = self._rpc(service, kind, concurrency, calls, main)
        self.measures[f"release one payee {BUSY}"] = self._rpc(
            service, "release", BUSY, self.plan.calls[BUSY], self._hot
        )

    def _rpc(
        self,
        server: Program,
        kind: str,
        concurrency: int,
        calls: int,
        database: Database,
        *,
        echo: bool = False,
    ) -> Measure:
        async def measure(size: Round) -> Sample:
            number = size.of(calls)
            first = database.take(number) if kind == "release" and not echo else 0
            job = {"kind": kind, "target": server.address, "echo": echo, "first": first}
            return await self._measured(server, job, number, concurrency)

        return measure

    def _add_pgbench(self, main: Database) -> None:
        pgbench = self.postgres.binaries / "pgbench"
        if not pgbench.exists():
            self.skipped["pgbench"] = f"there is no pgbench in {self.postgres.binaries.name}"
            return
        script = write_script(self.folder)
        for clients in PGBENCH_CLIENTS:
            self.measures[f"pgbench {clients}"] = self._pgbench(pgbench, script, main, clients)

    def _pgbench(self, pgbench: Path, script: Path, main: Database, clients: int) -> Measure:
        async def measure(size: Round) -> Sample:
            each = max(size.of(self.plan.pgbench_transactions) // clients, 1)
            first = main.take(clients * each)
            before = _postgres_cpu_s(self._postmaster)
            per_s = await run_pgbench(
                pgbench, script, main.dsn, first=first, clients=clients, each=each
            )
            used_s = _postgres_cpu_s(self._postmaster) - before
            return Sample(per_s, postgres_cpu_us=used_s * MICRO / (clients * each))

        return measure

    async def _add_webhooks(self, stack: AsyncExitStack, main: Database) -> None:
        floor = await stack.enter_async_context(
            program(
                ["-m", "benchmarks.webhook_floor"],
                says=r"listening on (\S+)",
                folder=self.folder,
                env={"BENCH_DATABASE_URL": main.dsn, "BENCH_WEBHOOK_SECRET": SECRET},
            )
        )
        gateway = await stack.enter_async_context(
            program(
                ["-m", "webhook_gateway"],
                says=r"listening on (http\S+)",
                folder=self.folder,
                env={
                    "ESCROW_GATEWAY_PORT": "0",
                    "ESCROW_SERVICE_TARGET": self.programs["service"].address,
                    "STRIPE_WEBHOOK_SECRET_PLATFORM": SECRET,
                    "STRIPE_WEBHOOK_SECRET_CONNECT": SECRET,
                },
            )
        )
        self.programs |= {"webhook floor": floor, "gateway": gateway}
        path = f"{gateway.address.rstrip('/')}/stripe/default/platform"
        self.measures["webhooks floor"] = self._webhooks(floor, floor.address)
        self.measures["webhooks"] = self._webhooks(gateway, path)

    def _webhooks(self, server: Program, url: str) -> Measure:
        async def measure(size: Round) -> Sample:
            job = {"kind": "webhooks", "target": url, "secret": SECRET}
            return await self._measured(server, job, size.of(self.plan.webhooks), BUSY)

        return measure

    async def _add_growth(self, stack: AsyncExitStack, name: str, entries: int) -> None:
        database = await self._database(stack)
        escrows = entries // ENTRIES_PER_ESCROW
        await fund_escrows(database.owner, 0, escrows, PAYEES)
        await database.owner.execute("VACUUM ANALYZE")
        service = await self._service(stack, f"service, {name} entries", database)
        self.measures[f"release {name} entries {BUSY}"] = self._rpc(
            service, "release", BUSY, self._growth_releases(), database
        )

        async def balances(size: Round) -> Sample:
            reads = size.of(self.plan.balance_reads)
            told = await self._load.run(
                kind="balances", target=database.dsn, count=reads, escrows=escrows
            )
            return _sample(told, reads)

        self.measures[f"balance {name} entries"] = balances

    def _growth_releases(self) -> int:
        """Not more than the smaller database has escrows for."""
        fewest = min(self.plan.entries) // ENTRIES_PER_ESCROW
        return min(self.plan.growth_releases, fewest // (self.plan.rounds + 1))

    # --- how it is measured

    async def _measured(
        self, server: Program, job: Mapping[str, object], calls: int, concurrency: int
    ) -> Sample:
        server_before, postgres_before = server.cpu_s(), _postgres_cpu_s(self._postmaster)
        told = await self._load.run(**job, count=calls, concurrency=concurrency)
        used_s = server.cpu_s() - server_before
        postgres_used_s = _postgres_cpu_s(self._postmaster) - postgres_before
        return _sample(told, calls, used_s * MICRO / calls, postgres_used_s * MICRO / calls)

    async def _database(self, stack: AsyncExitStack) -> Database:
        name = f"escrow_bench_{secrets.token_hex(4)}"
        dsn = self.postgres.dsn(name)
        await prepare_database(self.postgres.dsn(), name, dsn)
        owner = await asyncpg.connect(dsn, ssl=False)

        async def drop() -> None:
            await owner.close()
            admin = await asyncpg.connect(self.postgres.dsn(), ssl=False)
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await admin.close()

        stack.push_async_callback(drop)
        return Database(dsn, owner)

    async def _service(self, stack: AsyncExitStack, name: str, database: Database) -> Program:
        started = program(
            SERVE, says=SERVING, folder=self.folder, env=service_environment(database)
        )
        self.programs[name] = await stack.enter_async_context(started)
        return self.programs[name]


def service_environment(database: Database) -> dict[str, str]:
    return {
        "ESCROW_AUTH": "development",
        "ESCROW_DATABASE_URL": database.dsn,
        "ESCROW_GRPC_PORT": "0",
        "ESCROW_LOG_FORMAT": "json",
        "STRIPE_SECRET_KEY": "sk_test_benchmarks",
        "STRIPE_API_BASE": NOBODY,
    }


def _sample(
    told: Mapping[str, object],
    calls: int,
    cpu_us: float | None = None,
    postgres: float | None = None,
) -> Sample:
    latencies_s, seconds = told["latencies_s"], told["seconds"]
    assert isinstance(latencies_s, list)
    assert isinstance(seconds, float)
    return Sample(
        calls / seconds,
        percentile_ms(latencies_s, 0.50),
        percentile_ms(latencies_s, 0.99),
        cpu_us,
        postgres,
    )


async def _postmaster(owner: asyncpg.Connection) -> psutil.Process:
    backend = psutil.Process(await owner.fetchval("SELECT pg_backend_pid()"))
    postmaster = backend.parent()
    assert postmaster is not None
    return postmaster


def _postgres_cpu_s(postmaster: psutil.Process) -> float:
    """User and system time of the server's processes, of those that ended too."""
    times = postmaster.cpu_times()
    used_s = sum(times[:4])  # its own, and that of the children it waited for
    for child in postmaster.children():
        try:
            used_s += sum(child.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return float(used_s)
