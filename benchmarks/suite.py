"""What is compared with what: everything is started once, then measured in interleaved rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fixture import ENTRIES_PER_ESCROW, FUNDED, ONE_TENANT
from benchmarks.load import METHODS
from benchmarks.pgbench import run_pgbench, write_script
from benchmarks.plan import BUSY, CONCURRENCIES, PGBENCH_CLIENTS, Plan
from benchmarks.programs import Program, ProgramFailed
from benchmarks.proofs import proofs
from benchmarks.samples import MICRO, Sample
from benchmarks.stand import SECRET, Database, Stand, people, sample_of, service_environment
from benchmarks.tenants import sql_parties_of, sql_tenant, tenant_names

WARM_UP_SHARE = 4  # a warm-up is a round with a quarter of the calls
TELEMETRY_WITHIN_S = 20
FILL_TIMEOUT_S = 3600

# Telemetry as OpenTelemetry's variables turn it on: as the chart does it, and all of it.
SAMPLING: Mapping[str, Mapping[str, str]] = {
    "1 % traced": {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.01",
    },
    "all traced": {"OTEL_TRACES_SAMPLER": "always_on"},
}
# Sooner than usual (5 s and 60 s), so that a round pays for what it records.
EXPORTING = {"OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_METRIC_EXPORT_INTERVAL": "5000"}

Measure = Callable[["Round"], Awaitable[Sample]]


@dataclass(frozen=True, slots=True)
class Round:
    """How much of the plan's counts one round takes: all, or for a warm-up a part."""

    share: int

    def of(self, calls: int) -> int:
        return max(calls // self.share, 1)


class Suite:
    """The measurements, by name in the order in which a round runs them."""

    def __init__(self, plan: Plan, stand: Stand) -> None:
        self.plan = plan
        self.stand = stand
        self.measures: dict[str, Measure] = {}
        self.skipped: dict[str, str] = {}

    async def prepare(self) -> None:
        """Starts every program, fills every database, and warms all of it up."""
        main = await self._main_database()
        service = await self.stand.service("service", main)
        await self._add_rpcs(service, main)
        await self._add_tenants()
        await self._add_telemetry(main)
        await self._add_proofs(main)
        await self._add_store(main)
        self._add_pgbench(main)
        await self._add_webhooks(service, main)
        for name, entries in zip(("few", "many"), self.plan.entries, strict=True):
            await self._add_growth(name, entries)
        # After it, the first change of a page writes the whole page: the warm-up pays for many.
        await main.owner.execute("CHECKPOINT")
        await self.round(Round(WARM_UP_SHARE), "warming up")
        await self._require_telemetry()

    async def round(self, size: Round, title: str) -> dict[str, Sample]:
        """Every measurement once."""
        samples = {}
        with people.status(title) as status:
            for name, measure in self.measures.items():
                status.update(f"{title}: {name}")
                samples[name] = await measure(size)
        return samples

    # --- what is measured

    async def _main_database(self) -> Database:
        """With an escrow for every release of the run, and some that all pay one payee."""
        busy = self.plan.calls[BUSY]
        of_others = len(SAMPLING) + 2  # with telemetry, with proofs, and the store alone
        of_pgbench = len(PGBENCH_CLIENTS) * self.plan.pgbench_transactions
        a_round = sum(self.plan.calls.values()) + busy * of_others + of_pgbench
        rounds = self.plan.rounds + 1
        total = rounds * a_round + len(METHODS)
        database = await self.stand.database()
        await self.stand.fill(database, FUNDED, 0, total)
        self._hot = Database(database.dsn, database.owner, next_escrow=total)
        await self.stand.fill(database, FUNDED, total, rounds * busy, payees=1)
        await database.owner.execute("VACUUM ANALYZE")
        return database

    async def _add_rpcs(self, service: Program, main: Database) -> None:
        echo = await self.stand.echo(service, main.take(len(METHODS)))
        for concurrency in CONCURRENCIES:
            calls = self.plan.calls[concurrency]
            for kind in METHODS:
                name = f"{kind} {concurrency}"
                echoes = calls * self.plan.echo_factor
                self.measures[f"echo {name}"] = self._echo(echo, kind, concurrency, echoes)
                self.measures[name] = self._rpc(service, kind, concurrency, calls, main)
        self.measures[f"release one payee {BUSY}"] = self._rpc(
            service, "release", BUSY, self.plan.calls[BUSY], self._hot
        )

    async def _add_tenants(self) -> None:
        """Releases of one tenant and of many, by one service that has all of these tenants."""
        tenants, calls = self.plan.tenants, self.plan.calls[BUSY]
        total = (self.plan.rounds + 1) * calls
        one = await self.stand.database()
        await one.owner.execute(sql_parties_of(tenants))
        await self.stand.fill(one, FUNDED, 0, total)
        many = Database(one.dsn, one.owner, next_escrow=total)
        await self.stand.fill(many, FUNDED, total, total, tenant=sql_tenant("n", tenants))
        await one.owner.execute("VACUUM ANALYZE")
        env = self.stand.tenants_file([ONE_TENANT, *tenant_names(tenants)])
        service = await self.stand.service(f"service, {tenants + 1} tenants", one, env)
        self.measures[f"release one tenant {BUSY}"] = self._rpc(
            service, "release", BUSY, calls, one
        )
        self.measures[f"release many tenants {BUSY}"] = self._rpc(
            service, "release", BUSY, calls, many, tenants=tenants
        )

    def _rpc(
        self,
        service: Program,
        kind: str,
        concurrency: int,
        calls: int,
        database: Database,
        *,
        tenants: int | None = None,
        proof: Mapping[str, str] | None = None,
    ) -> Measure:
        async def measure(size: Round) -> Sample:
            number = size.of(calls)
            first = database.take(number) if kind == "release" else 0
            job = {"kind": kind, "target": service.address, "concurrency": concurrency}
            job |= {"first": first, "tenants": tenants, "proof": proof}
            return await self.stand.measured(service, number, job)

        return measure

    def _echo(self, echo: Program, kind: str, concurrency: int, calls: int) -> Measure:
        async def measure(size: Round) -> Sample:
            job = {"kind": kind, "target": echo.address, "concurrency": concurrency, "echo": True}
            return await self.stand.measured(echo, size.of(calls), {**job, "first": 0})

        return measure

    async def _add_telemetry(self, main: Database) -> None:
        self._collector = await self.stand.start_jobs("collector", "benchmarks.collector")
        answer = await self._collector.run({})
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": answer["address"]}
        for name, sampling in SAMPLING.items():
            env = {**EXPORTING, **endpoint, **sampling}
            service = await self.stand.service(f"service, {name}", main, env)
            self.measures[f"release {name} {BUSY}"] = self._rpc(
                service, "release", BUSY, self.plan.calls[BUSY], main
            )

    async def _add_proofs(self, main: Database) -> None:
        """Releases by a caller that brings a certificate and a token."""
        settings, proof = proofs(self.stand.folder / "proofs")
        service = await self.stand.service("service, mTLS and tokens", main, settings)
        calls = self.plan.calls[BUSY]
        self.measures[f"release proven {BUSY}"] = self._rpc(
            service, "release", BUSY, calls, main, proof=proof
        )

    async def _require_telemetry(self) -> None:
        """Raises ProgramFailed when nothing came: its cost would not be in the figures."""
        for _ in range(TELEMETRY_WITHIN_S):
            answer = await self._collector.run({})
            if answer["spans"] and answer["metrics"]:
                return
            await asyncio.sleep(1)
        raise ProgramFailed("the collector got no spans, or no metrics")

    async def _add_store(self, main: Database) -> None:
        env = service_environment(main.dsn)
        store = await self.stand.start_jobs("store", "benchmarks.store_program", env)

        async def measure(size: Round) -> Sample:
            calls = size.of(self.plan.calls[BUSY])
            job = {"concurrency": BUSY, "first": main.take(calls)}
            return await self.stand.measured(store, calls, job, by=store)

        self.measures[f"store {BUSY}"] = measure

    def _add_pgbench(self, main: Database) -> None:
        pgbench = self.stand.postgres.binaries / "pgbench"
        if not pgbench.exists():
            self.skipped["pgbench"] = f"there is no pgbench in {pgbench.parent.name}"
            return
        script = write_script(self.stand.folder)
        for clients in PGBENCH_CLIENTS:
            self.measures[f"pgbench {clients}"] = self._pgbench(pgbench, script, main, clients)

    def _pgbench(self, pgbench: Path, script: Path, main: Database, clients: int) -> Measure:
        async def measure(size: Round) -> Sample:
            each = max(size.of(self.plan.pgbench_transactions) // clients, 2)
            first = main.take(clients * each)
            before = self.stand.clock.cpu_s()
            answer = await run_pgbench(
                pgbench, script, main.dsn, first=first, clients=clients, each=each
            )
            used_s = self.stand.clock.cpu_s() - before
            calls = clients * each
            return sample_of(answer, calls, postgres_cpu_us=used_s * MICRO / calls)

        return measure

    async def _add_webhooks(self, service: Program, main: Database) -> None:
        env = {"BENCH_DATABASE_URL": main.dsn, "BENCH_WEBHOOK_SECRET": SECRET}
        floor = await self.stand.start("webhook floor", ("-m", "benchmarks.webhook_floor"), env=env)
        gateway = await self.stand.gateway("gateway", service)
        self.measures["webhooks floor"] = self._webhooks(floor)
        self.measures["webhooks"] = self._webhooks(gateway)

    def _webhooks(self, server: Program) -> Measure:
        async def measure(size: Round) -> Sample:
            job = {"kind": "webhooks", "target": server.address, "secret": SECRET, "first": 0}
            events = size.of(self.plan.webhooks)
            return await self.stand.measured(server, events, {**job, "concurrency": BUSY})

        return measure

    async def _add_growth(self, name: str, entries: int) -> None:
        database = await self.stand.database()
        escrows = entries // ENTRIES_PER_ESCROW
        await self.stand.fill(database, FUNDED, 0, escrows)
        await self.stand.roll_up(database)
        await database.owner.execute("VACUUM ANALYZE", timeout=FILL_TIMEOUT_S)
        service = await self.stand.service(f"service, {name} entries", database)
        self.measures[f"release {name} entries {BUSY}"] = self._rpc(
            service, "release", BUSY, self._growth_releases(), database
        )

        reads = max(self.plan.balance_reads // 10, 1)
        self.measures[f"explain {name} entries"] = self._rpc(service, "explain", 1, reads, database)
        for kind, measured in {"balances": "balance", "balances as of": "balance as of"}.items():
            job = {"kind": kind, "target": database.dsn, "escrows": escrows}
            self.measures[f"{measured} {name} entries"] = self._balances(job)

    def _balances(self, job: Mapping[str, object]) -> Measure:
        async def measure(size: Round) -> Sample:
            reads = size.of(self.plan.balance_reads)
            return sample_of(await self.stand.load.run({**job, "count": reads}), reads)

        return measure

    def _growth_releases(self) -> int:
        """Not more than the smaller database has escrows for."""
        fewest = min(self.plan.entries) // ENTRIES_PER_ESCROW
        return min(self.plan.growth_releases, fewest // (self.plan.rounds + 1))
