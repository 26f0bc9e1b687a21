"""Writers at several services, a watcher of all and watchers of escrows, while each process is
killed in turn: what was heard is what the database has, in order, whole, and nothing twice.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import grpc

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import event_service_pb2 as feed_pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.watching import watch_escrow, watch_events
from service.store.checks.sequence import DENSE, IN_ORDER
from tests.postgres import Database, Server, connected, migrated_database
from tests.scenarios.program import Program

API_KEY = "sk_test_sandbox"
WRITERS = 24
WATCHED = 3  # escrows, whose payers begin to pay and give up, again and again
PATIENCE_S = 120.0
HEARD = "SELECT operation_id FROM positions ORDER BY position"
WRITTEN = "SELECT count(*) FROM operations"


@dataclass
class Found:
    """What was heard, and what the database has."""

    positions: int = 0
    heard: int = 0
    escrow_versions: int = 0
    kills: int = 0
    refused_writes: int = 0
    seconds: float = 0.0
    p50_ms: int = 0  # from the moment of an operation, before its commit, until it was heard
    p99_ms: int = 0
    troubles: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not self.troubles


class Processes:
    """Servers and workers, each killed in its turn and started again."""

    def __init__(self, folder: Path, database: Database, stripe: str) -> None:
        self._folder = folder
        self._environment = {
            "ESCROW_AUTH": "development",
            "ESCROW_LOG_FORMAT": "json",
            "ESCROW_GRPC_PORT": "0",
            "ESCROW_DRAIN_S": "2",
            "STRIPE_SECRET_KEY": API_KEY,
            "STRIPE_API_BASE": stripe,
        }
        self._database = database
        self.programs: list[Program] = []
        self.targets: list[str] = []

    async def add_server(self) -> None:
        environment = self._environment | {"ESCROW_DATABASE_URL": self._database.service_dsn}
        program = Program(
            f"server-{len(self.programs)}",
            ["service", "serve", "--json"],
            environment,
            self._folder,
            r'"listening": "([^"]+)"',
        )
        target = await program.start()
        program.environment["ESCROW_GRPC_PORT"] = target.rpartition(":")[2]
        self.programs.append(program)
        self.targets.append(target)

    async def add_worker(self) -> None:
        environment = self._environment | {"ESCROW_DATABASE_URL": self._database.worker_dsn}
        program = Program(
            f"worker-{len(self.programs)}",
            ["service", "work", "--json"],
            environment,
            self._folder,
            r'"workers": \["',
        )
        await program.start()
        self.programs.append(program)

    async def kill_in_turn(self, every_s: float, found: Found) -> None:
        for program in itertools.cycle(self.programs):
            await asyncio.sleep(every_s or 3600)
            await program.kill()
            found.kills += 1
            await program.start()

    async def end(self) -> None:
        for program in self.programs:
            await program.end()


@asynccontextmanager
async def _processes(
    folder: Path, database: Database, stripe: str, servers: int, workers: int
) -> AsyncIterator[Processes]:
    processes = Processes(folder, database, stripe)
    try:
        for _ in range(servers):
            await processes.add_server()
        for _ in range(workers):
            await processes.add_worker()
        yield processes
    finally:
        await processes.end()


@asynccontextmanager
async def _client(targets: list[str], caller: str, first: int = 0) -> AsyncIterator[EscrowClient]:
    """Of whichever of the services answers, beginning with one of them."""
    turned = targets[first % len(targets) :] + targets[: first % len(targets)]
    options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 500)]
    address = f"ipv4:{','.join(turned)}"
    async with grpc.aio.insecure_channel(address, options) as channel:
        yield EscrowClient(channel, {"escrow-tenant": "default", "escrow-caller": caller}, 10.0)


class Proof:
    """One run."""

    def __init__(self, targets: list[str], found: Found) -> None:
        self.targets = targets
        self.found = found
        self.heard: list[feed_pb.Event] = []
        self.late_s: list[float] = []
        self.versions: dict[str, list[int]] = {}

    async def follow_all(self) -> None:
        async with _client(self.targets, "watcher") as client:
            async for event in watch_events(client, from_beginning=True):
                self.heard.append(event)
                self.late_s.append(time.time() - event.change.time.ToNanoseconds() / 1e9)

    async def follow(self, escrow_id: str, number: int) -> None:
        versions = self.versions.setdefault(escrow_id, [])
        async with _client(self.targets, f"watcher-{number}", number) as client:
            async for entry in watch_escrow(client.acting("payer"), escrow_id):
                versions.append(entry.version)

    async def write(self, deal: pb.CreateEscrowRequest, until: asyncio.Event, number: int) -> None:
        async with _client(self.targets, "writer", number) as client:
            while not until.is_set():
                request = pb.CreateEscrowRequest()
                request.CopyFrom(deal)
                request.request_id = new_request_id()
                await self._tried(client, request)

    async def change(self, escrow_id: str, until: asyncio.Event, number: int) -> None:
        """One escrow again and again."""
        async with _client(self.targets, "changer", number) as client:
            while not until.is_set():
                try:
                    asked = pb.FundEscrowRequest(request_id=new_request_id(), escrow_id=escrow_id)
                    payment = (await client.acting("payer").escrows.FundEscrow(asked)).payment
                    given_up = pb.CancelPaymentRequest(
                        request_id=new_request_id(), payment_id=payment.id
                    )
                    await client.acting("payer").escrows.CancelPayment(given_up)
                except grpc.aio.AioRpcError:
                    self.found.refused_writes += 1
                await asyncio.sleep(0.1)

    async def _tried(self, client: EscrowClient, request: pb.CreateEscrowRequest) -> None:
        """The same request until it is answered: it is one operation, however often it is sent."""
        while True:
            try:
                await client.escrows.CreateEscrow(request)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                    raise  # it would be refused for ever
                self.found.refused_writes += 1
                await asyncio.sleep(0.05)
            else:
                return

    def judge(self, operations: list[str]) -> None:
        """Holds what was heard against the ids of all operations in their order."""
        troubles, heard = self.found.troubles, self.heard
        places = [event.position for event in heard]
        if places != list(range(1, len(heard) + 1)):
            wrong = next(n for n, place in enumerate(places, 1) if n != place)
            troubles.append(f"heard position {places[wrong - 1]} in place {wrong}")
        if [event.id for event in heard] != operations:
            troubles.append(f"heard {len(heard)} operations, and there are {len(operations)}")
        for escrow_id, versions in self.versions.items():
            if versions != list(range(1, len(versions) + 1)):
                troubles.append(f"{escrow_id}: heard versions {versions}")
            last = max(e.change.version for e in heard if e.escrow_id == escrow_id)
            if last != len(versions):
                troubles.append(f"{escrow_id}: heard {len(versions)} versions of {last}")
        late_s = sorted(self.late_s)
        self.found.p50_ms = round(1000 * late_s[len(late_s) // 2])
        self.found.p99_ms = round(1000 * late_s[len(late_s) * 99 // 100])
        self.found.positions, self.found.heard = len(operations), len(heard)
        self.found.escrow_versions = sum(map(len, self.versions.values()))


async def _deal(client: EscrowClient) -> pb.CreateEscrowRequest:
    payer = await client.parties.CreatePayer(
        party_pb.CreatePayerRequest(
            request_id=new_request_id(), reference="ann", name="Ann", email="ann@example.com"
        )
    )
    payee = await client.parties.CreatePayee(
        party_pb.CreatePayeeRequest(
            request_id=new_request_id(),
            reference="bob",
            name="Bob",
            email="bob@example.com",
            country="US",
        )
    )
    milestone = pb.MilestoneInput(title="Work", amount_minor=10_000)
    return pb.CreateEscrowRequest(
        reference="a deal",
        payer_id=payer.payer.id,
        payee_id=payee.payee.id,
        currency="USD",
        milestones=[milestone],
    )


async def prove(
    server: Server,
    template: str,
    stripe: str,
    folder: Path,
    *,
    positions: int,
    kill_every_s: float,
    servers: int,
    workers: int,
    writers: int = WRITERS,
    say: Callable[[str], object] = lambda _: None,
) -> Found:
    """Writes until there are so many positions, then lets everything be heard."""
    found, began = Found(), time.monotonic()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(migrated_database(server, template))
        owner = await stack.enter_async_context(connected(database.owner_dsn))
        processes = await stack.enter_async_context(
            _processes(folder, database, stripe, servers, workers)
        )
        client = await stack.enter_async_context(_client(processes.targets, "writer"))
        proof, enough = Proof(processes.targets, found), asyncio.Event()
        deal = await _deal(client)
        watched = []
        for _ in range(WATCHED):
            deal.request_id = new_request_id()
            watched.append((await client.escrows.CreateEscrow(deal)).escrow.id)
        watching = [asyncio.create_task(proof.follow_all())]
        watching += [asyncio.create_task(proof.follow(id_, n)) for n, id_ in enumerate(watched)]
        writing = [asyncio.create_task(proof.write(deal, enough, n)) for n in range(writers)] + [
            asyncio.create_task(proof.change(id_, enough, n)) for n, id_ in enumerate(watched)
        ]
        killing = asyncio.create_task(processes.kill_in_turn(kill_every_s, found))
        await _until_written(owner, positions, proof, [*watching, *writing, killing], say)
        enough.set()
        await asyncio.gather(*writing)
        await _until_heard(owner, proof)
        killing.cancel()
        for task in watching:
            task.cancel()
        ids = [f"opn_{row[0].hex}" for row in await owner.fetch(HEARD)]
        proof.judge(ids)
        for check in (DENSE, IN_ORDER):
            if breaches := await owner.fetch(check.breaches):
                found.troubles.append(f"{check.name}: {breaches[:3]}")
        if len(ids) != await owner.fetchval(WRITTEN):
            found.troubles.append("an operation has no position")
        await asyncio.gather(*watching, killing, return_exceptions=True)
    found.seconds = round(time.monotonic() - began, 1)
    return found


async def _until_written(
    owner: asyncpg.Connection,
    positions: int,
    proof: Proof,
    tasks: list[asyncio.Task[None]],
    say: Callable[[str], object],
) -> None:
    said = 0.0
    while (written := await owner.fetchval(WRITTEN)) < positions:
        if time.monotonic() - said > 15:
            said = time.monotonic()
            say(f"{written} written, {len(proof.heard)} heard, {proof.found.kills} kills")
        for task in tasks:
            if task.done():
                task.result()  # none ends by itself
        await asyncio.sleep(0.05 if positions < 10_000 else 1)


async def _until_heard(owner: asyncpg.Connection, proof: Proof) -> None:
    """Also by the watchers of escrows: nobody writes any more but workers, which end soon."""
    quiet_since, last = time.monotonic(), (-1, -1, -1)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() - quiet_since < 1.0 and time.monotonic() < deadline:
        now = (
            await owner.fetchval(WRITTEN),
            len(proof.heard),
            sum(map(len, proof.versions.values())),
        )
        if now != last or now[0] != now[1]:
            quiet_since, last = time.monotonic(), now
        await asyncio.sleep(0.05)
