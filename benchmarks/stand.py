"""The test stand: one PostgreSQL, databases and programs on it, and what they use."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from benchmarks.clocks import PostgresClock
from benchmarks.fixture import PAYEES, SQL_ONE_TENANT, Stage, add_escrows, prepare_database
from benchmarks.jobs import Answer
from benchmarks.load import METHODS
from benchmarks.machine import POSTGRES_DIRECTORY, POSTGRES_SETTINGS
from benchmarks.programs import JobProgram, Measured, Program, ProgramFailed, job_program, program
from benchmarks.samples import MICRO, Sample, percentile_ms
from service.local.postgres.embedded import EmbeddedPostgres

SERVE, SERVING = ("-m", "service", "serve", "--json"), r'"listening": "([^"]+)"'
WORK, WORKING = ("-m", "service", "work", "--json"), r'"workers": (\[)'
UNREACHABLE_STRIPE = "http://127.0.0.1:9"  # nothing listens there
SECRET = "whsec_benchmarks"  # noqa: S105  signs what the load generator sends
BYTES_PER_ESCROW = 8_000  # 3,100 of rows and indexes, 4,700 of the log that is written for them
ROLLED_UP = "SELECT rolled_up_through = closed_through FROM closings"
ROLL_UP_LOOK_S, MOST_LOOKS = 0.2, 10_000
MAX_CONNECTIONS = 400  # eleven pools of a run, pgbench's clients, and tests that run side by side

people = Console(stderr=True)


class DiskTooSmall(Exception):
    """What is to be measured does not fit on the disk. The message has the figures."""


@dataclass
class Database:
    """One database of the run, and the number of its next unused escrow."""

    dsn: str
    owner: asyncpg.Connection
    next_escrow: int = 0

    def take(self, escrows: int) -> int:
        first = self.next_escrow
        self.next_escrow += escrows
        return first


class Stand:
    """Starts the measured programs, and ends them when the stand closes."""

    def __init__(
        self,
        postgres: EmbeddedPostgres,
        admin: asyncpg.Connection,
        clock: PostgresClock,
        load: JobProgram,
        ends: AsyncExitStack,
    ) -> None:
        self.postgres = postgres
        self.clock = clock
        self.load = load
        self.folder = Path(tempfile.mkdtemp(prefix="escrow-bench-"))
        self.programs: dict[str, Measured] = {}
        self._admin = admin
        self._ends = ends
        people.print(f"[dim]logs of what is measured: {self.folder}[/]")

    async def version(self) -> str:
        return str(await self._admin.fetchval("SHOW server_version"))

    async def database(self) -> Database:
        """A migrated database with the parties in it."""
        name = f"escrow_bench_{secrets.token_hex(4)}"
        dsn = self.postgres.dsn(name)
        await self._admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        self._ends.push_async_callback(self._admin.execute, f"DROP DATABASE {name} WITH (FORCE)")
        owner = await asyncpg.connect(dsn, ssl=False)
        self._ends.push_async_callback(owner.close)
        await prepare_database(owner)
        return Database(dsn, owner)

    async def fill(
        self,
        database: Database,
        stage: Stage,
        first: int,
        count: int,
        *,
        payees: int = PAYEES,
        tenant: str = SQL_ONE_TENANT,
    ) -> None:
        """Writes the escrows first, first + 1, ..., and says how far it is.

        Raises:
            DiskTooSmall: they would not fit.
        """
        await self._require_space(count * BYTES_PER_ESCROW)
        people.print(f"[dim]writing {count:,} escrows[/]")
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        shown = people.is_terminal
        with Progress(*columns, console=people, transient=True, disable=not shown) as progress:
            task = progress.add_task("", total=count)
            async for done in add_escrows(
                database.owner, stage, first, count, payees=payees, tenant=tenant
            ):
                progress.update(task, completed=done)

    async def roll_up(self, database: Database) -> None:
        """Has a worker close the books, and roll up the balances of all that was written.

        Raises:
            ProgramFailed: it did not end.
        """
        people.print("[dim]rolling up balances[/]")
        env = service_environment(database.dsn)
        async with program(WORK, says=WORKING, folder=self.folder, env=env):
            for _ in range(MOST_LOOKS):
                if await database.owner.fetchval(ROLLED_UP):
                    return
                await asyncio.sleep(ROLL_UP_LOOK_S)
        raise ProgramFailed("the balances were not rolled up")

    async def _require_space(self, size: int) -> None:
        folder = await self._admin.fetchval("SHOW data_directory")
        free = shutil.disk_usage(folder).free
        if size > free:
            raise DiskTooSmall(
                f"the escrows of this run need {size / 1e9:.1f} GB,"
                f" and the disk of {folder} has {free / 1e9:.1f} GB left"
            )

    def tenants_file(self, names: Sequence[str]) -> dict[str, str]:
        """Writes a file of tenants with a key each; what a service's environment says of it."""
        tenants = {
            name: {"stripe_secret_key": f"sk_test_{n}", "stripe_api_base": UNREACHABLE_STRIPE}
            for n, name in enumerate(names)
        }
        file = self.folder / f"tenants-{len(tenants)}.json"
        file.write_text(json.dumps({"tenants": tenants}))
        return {"ESCROW_TENANTS_FILE": str(file)}

    async def start(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        says: str = r"listening on (\S+)",
        env: Mapping[str, str] | None = None,
    ) -> Program:
        started = program(arguments, says=says, folder=self.folder, env=env)
        running = await self._ends.enter_async_context(started)
        self.programs[name] = running
        return running

    async def start_jobs(
        self, name: str, module: str, env: Mapping[str, str] | None = None
    ) -> JobProgram:
        running = await self._ends.enter_async_context(job_program(module, env=env))
        self.programs[name] = running
        return running

    async def service(
        self, name: str, database: Database, env: Mapping[str, str] | None = None
    ) -> Program:
        settings = {**service_environment(database.dsn), **(env or {})}
        return await self.start(name, SERVE, says=SERVING, env=settings)

    async def worker(
        self, name: str, database: Database, env: Mapping[str, str] | None = None
    ) -> Program:
        settings = {**service_environment(database.dsn), **(env or {})}
        return await self.start(name, WORK, says=WORKING, env=settings)

    async def stripe(self) -> Mapping[str, str]:
        """Starts a Stripe that answers everything at once; the settings that lead to it."""
        stand_in = await self.start("stripe", ("-m", "benchmarks.stripe_stand_in"))
        return {"STRIPE_API_BASE": stand_in.address, "STRIPE_RATE_PER_S": "10000"}

    async def echo(self, service: Program, first: int) -> Program:
        """Starts the floor, with answers as long as the service's. To learn their lengths, it calls
        each method of the service once, about the escrows first, first + 1, ...
        """
        lengths = {}
        for n, (kind, method) in enumerate(METHODS.items(), start=first):
            job = {"kind": kind, "target": service.address, "concurrency": 1, "count": 1}
            answer = await self.load.run({**job, "first": n})
            lengths[method] = answer["answer_bytes"]
        answers = (f"{method}={length}" for method, length in lengths.items())
        return await self.start("echo", ("-m", "benchmarks.echo_server", *answers))

    async def gateway(self, name: str, service: Program) -> Program:
        """Its address is where Stripe delivers the platform's events."""
        env = {
            "ESCROW_GATEWAY_PORT": "0",
            "ESCROW_SERVICE_TARGET": service.address,
            "STRIPE_WEBHOOK_SECRET_PLATFORM": SECRET,
            "STRIPE_WEBHOOK_SECRET_CONNECT": SECRET,
        }
        started = await self.start(name, ("-m", "webhook_gateway"), env=env)
        return Program(started.process, f"{started.address}/stripe/default/platform")

    async def measured(
        self,
        server: Measured,
        calls: int,
        job: Mapping[str, object],
        *,
        by: JobProgram | None = None,
    ) -> Sample:
        """Runs a job of ``calls`` calls in ``by``, by default the load generator, and reads the CPU
        time that the server and PostgreSQL used meanwhile.
        """
        server_before, postgres_before = server.cpu_s(), self.clock.cpu_s()
        answer = await (by or self.load).run({**job, "count": calls})
        used_s = server.cpu_s() - server_before
        postgres_used_s = self.clock.cpu_s() - postgres_before
        return sample_of(answer, calls, used_s * MICRO / calls, postgres_used_s * MICRO / calls)


@asynccontextmanager
async def open_stand() -> AsyncIterator[Stand]:
    """A stand with PostgreSQL and the load generator, until the end of the block."""
    with EmbeddedPostgres(
        POSTGRES_DIRECTORY, settings=POSTGRES_SETTINGS, max_connections=MAX_CONNECTIONS
    ) as postgres:
        async with AsyncExitStack() as ends:
            admin = await asyncpg.connect(postgres.dsn(), ssl=False)
            ends.push_async_callback(admin.close)
            load = await ends.enter_async_context(job_program("benchmarks.load"))
            yield Stand(postgres, admin, await PostgresClock.of(admin), load, ends)


def service_environment(dsn: str) -> dict[str, str]:
    return {
        "ESCROW_AUTH": "development",
        "ESCROW_DATABASE_URL": dsn,
        "ESCROW_GRPC_PORT": "0",
        "ESCROW_LOG_FORMAT": "json",
        "ESCROW_RATE_LIMIT_PER_S": "0",  # the one caller asks as often as it can
        "STRIPE_SECRET_KEY": "sk_test_benchmarks",
        "STRIPE_API_BASE": UNREACHABLE_STRIPE,
    }


def sample_of(
    answer: Answer, calls: int, cpu_us: float | None = None, postgres_cpu_us: float | None = None
) -> Sample:
    """The figures of a job's answer; CPU in microseconds per call."""
    latencies_s: list[float] = answer["latencies_s"]
    return Sample(
        answer["per_s"] if "per_s" in answer else calls / answer["seconds"],
        percentile_ms(latencies_s, 0.50),
        percentile_ms(latencies_s, 0.99),
        cpu_us,
        postgres_cpu_us,
    )
