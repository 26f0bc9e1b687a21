"""A marketplace that uses the service: the test's side of every operation.

The service runs in the test's process, composed as in production and on a free port; it is called
over gRPC only. Its workers take a turn when a test says so, and Stripe's events are delivered by
the call that the webhook gateway makes. What the service wrote is read as the database's owner.
"""

import json
from collections.abc import AsyncIterator, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import aiohttp
import asyncpg
import grpc
import pytest
from google.protobuf.message import Message
from pydantic import SecretStr

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import stripe_event_service_pb2 as event_pb
from escrow.v1.money_pb2 import Money
from service.config import Config, DatabaseRole, Settings, Tenant
from service.database import pooled_database
from service.migrations import Connection
from service.operations.operators.verify_stripe import verify_stripe
from service.operations.sweeps.compare_with_stripe import Comparison
from service.runtime import Runtime
from service.server import Running, running
from service.workers.deadlines import DeadlinesWorker
from service.workers.effects import EffectsWorker
from service.workers.inbox import InboxWorker
from service.workers.receivables import ReceivablesWorker
from service.workers.sweeps import SweepsWorker
from service.workers.transfers import TransfersWorker
from tests.postgres import Database
from tests.service.operations.refusals import Refusal, check_refusal, read_refusal

API_KEY = "sk_test_operations"
TENANT, NEIGHBOUR = "default", "neighbour"
CARD = "pm_card_bypassPending"  # its money can be transferred and paid out at once
RETURN_URL = "https://shop.example/thanks"
AN_ID = "0193" * 8  # well-formed, and of nothing

TABLES = """
SELECT relname FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"""
HASH = """
SELECT '{0}' AS name, count(*), coalesce(sum(hash_record_extended(t, 0)), 0)
FROM {0} AS t"""
JOURNALS = """
SELECT j.kind, j.journal_id, e.account, e.amount_minor FROM journals AS j
JOIN entries AS e USING (tenant_id, journal_id)
ORDER BY j.created_at, j.ctid, e.line"""

Contents: TypeAlias = dict[str, tuple[int, int]]
Entries: TypeAlias = list[tuple[str, dict[str, int]]]
Event: TypeAlias = dict[str, Any]


class Sandbox:
    """A test's side of the sandbox: its controls."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.http = http

    async def control(self, path: str, *, verb: str = "POST", **body: object) -> dict[str, Any]:
        """A route under /_sandbox/; it must not refuse."""
        async with self.http.request(verb, f"{self.url}/_sandbox/{path}", json=body) as answer:
            told: dict[str, Any] = await answer.json()
            assert answer.status == 200, told
            return told

    async def objects(self, path: str, account: str = "") -> list[dict[str, Any]]:
        """Stripe's objects of one kind, newest first."""
        headers = {"Authorization": f"Bearer {API_KEY}"}
        if account:
            headers["Stripe-Account"] = account
        url = f"{self.url}{path}?limit=100"
        async with self.http.get(url, headers=headers) as answer:
            told = await answer.json()
            assert answer.status == 200, told
            found: list[dict[str, Any]] = told["data"]
            return found

    async def stripe(
        self, path: str, account: str = "", *, verb: str = "POST", **form: str
    ) -> dict[str, Any]:
        """A request that nobody here asked for: of the dashboard, or of another product."""
        headers = {"Authorization": f"Bearer {API_KEY}"}
        if account:
            headers["Stripe-Account"] = account
        url = f"{self.url}{path}"
        async with self.http.request(verb, url, headers=headers, data=form) as answer:
            told: dict[str, Any] = await answer.json()
            assert answer.status == 200, told
            return told

    async def fail_next(self, path_prefix: str, kind: str = "status", **more: Any) -> None:  # noqa: ANN401  JSON
        """Makes the next matching request go wrong; see stripe_sandbox/faults.py."""
        await self.control("faults", kind=kind, path_prefix=path_prefix, **more)

    async def reset(self) -> None:
        await self.control("faults", verb="DELETE")
        await self.control("reset")

    async def advance(self, seconds: int = 5) -> None:
        """Moves the virtual clock: by default past an asynchronous capture."""
        await self.control("clock/advance", seconds=seconds)


@dataclass
class Marketplace:
    """The service with its database and its Stripe, and clients of every kind."""

    running: Running
    owner: Connection
    sandbox: Sandbox
    channel: grpc.aio.Channel
    work_runtime: Runtime
    tenant: str = TENANT
    told: set[str] = field(default_factory=set)
    events: dict[str, Event] = field(default_factory=dict)  # all that were seen, by id
    statement: str = ""
    clients: dict[Hashable, EscrowClient] = field(default_factory=dict)

    def __post_init__(self) -> None:
        runtime = self.work_runtime
        self.effects = EffectsWorker(runtime)
        self.inbox = InboxWorker(runtime)
        self.transfers = TransfersWorker(runtime)
        self.receivables = ReceivablesWorker(runtime)
        self.deadlines = DeadlinesWorker(runtime)
        # The tenants of a test share one Stripe account, which no two tenants do.
        alone = {self.tenant: runtime.stripe[self.tenant]}
        self.alone = Runtime(runtime.pool, alone, runtime.clock)
        self.sweeps = SweepsWorker(self.alone)
        self.service = self.client()
        self.payer = self.client("payer")
        self.payee = self.client("payee")
        self.operator = self.client("operator")
        self.gateway = self.client(role="gateway")
        self.neighbour = self.client(tenant=NEIGHBOUR)

    # --- who calls

    def client(
        self,
        party: str = "",
        *,
        tenant: str = "",
        role: str = "",
        caller: str = "orders",
        deadline_s: float = 20.0,
    ) -> EscrowClient:
        """A client without a retry policy, so that a test sees every answer."""
        identity = {"escrow-tenant": tenant or self.tenant, "escrow-caller": caller}
        if party:
            identity["escrow-party"] = party
        if role:
            identity["escrow-role"] = role
        key = (*identity.items(), deadline_s)
        if key not in self.clients:
            self.clients[key] = EscrowClient(self.channel, identity, deadline_s)
        return self.clients[key]

    @asynccontextmanager
    async def next_door(self, url: str) -> AsyncIterator["Marketplace"]:
        """The neighbour's marketplace at the same service, with a Stripe of its own."""
        sandbox = Sandbox(url, self.sandbox.http)
        await sandbox.reset()
        yield Marketplace(
            self.running, self.owner, sandbox, self.channel, self.work_runtime, NEIGHBOUR
        )

    # --- what is in the database

    async def contents(self) -> Contents:
        """Every table's number of rows and a hash of all of them."""
        if not self.statement:
            names = [row["relname"] for row in await self.owner.fetch(TABLES)]
            self.statement = " UNION ALL ".join(HASH.format(name) for name in names)
        return {
            name: (count, hash_) for name, count, hash_ in await self.owner.fetch(self.statement)
        }

    @asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Nothing is written inside."""
        before = await self.contents()
        yield
        assert changes(before, await self.contents()) == []

    @asynccontextmanager
    async def refuses(self, reason: str, *, writes: bool = False) -> AsyncIterator[Refusal]:
        """The call inside is refused for this reason, and unless it ``writes``, leaves no trace."""
        before = await self.contents()
        refusal = Refusal()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            yield refusal
        vars(refusal).update(vars(read_refusal(caught.value)))
        check_refusal(refusal, reason)
        if not writes:
            assert changes(before, await self.contents()) == []

    async def books(self, *things: Message | str) -> Entries:
        """Every journal in order: its kind, and its entries (debits positive, credits negative).

        Ids in accounts are replaced: milestones by m1 ..., parties and accounts by their kind.
        """
        names = names_of(things)
        journals: dict[Any, tuple[str, dict[str, int]]] = {}
        for kind, journal_id, account, amount_minor in await self.owner.fetch(JOURNALS):
            _, entries = journals.setdefault(journal_id, (kind, {}))
            plain = ":".join(names.get(part, part) for part in account.split(":"))
            entries[plain] = entries.get(plain, 0) + amount_minor
        return list(journals.values())

    async def balance(self, account: str) -> int:
        """A tracked account's balance; 0 when nothing was ever booked there."""
        query = "SELECT balance_minor FROM balances WHERE account = $1"
        return int(await self.owner.fetchval(query, account) or 0)

    # --- Stripe's events

    async def news(self) -> list[Event]:
        """The events that were not told yet, oldest first."""
        newest = max((event["created"] for event in self.events.values()), default=0)
        listed = await self.sandbox.control("events", verb="GET", created_gte=newest)
        self.events |= {event["id"]: event for event in listed["data"]}
        found = [event for event in self.events.values() if event["id"] not in self.told]
        return sorted(found, key=lambda event: str(event["created"]))

    async def tell(
        self, event: Event | bytes, endpoint: int | None = None
    ) -> event_pb.IngestOutcome.ValueType:
        """Delivers an event as the gateway does."""
        if isinstance(event, bytes):
            payload, account = event, None
        else:
            payload, account = json.dumps(event).encode(), event.get("account")
            self.told.add(str(event.get("id")))
        at = endpoint or (
            event_pb.STRIPE_ENDPOINT_CONNECT if account else event_pb.STRIPE_ENDPOINT_PLATFORM
        )
        request = event_pb.IngestStripeEventRequest(endpoint=at, payload=payload)  # type: ignore[arg-type]  # also numbers that no endpoint has
        return (await self.gateway.events.IngestStripeEvent(request)).outcome

    async def work(self) -> None:
        """Every worker takes turns until nothing is due."""
        while (
            await self.effects.run_once()
            + await self.inbox.run_once()
            + await self.transfers.run_once()
            + await self.receivables.run_once()
            + await self.deadlines.run_once()
        ):
            pass

    async def settle(self) -> None:
        """Time passes at Stripe, its events are told, and all that is due is done."""
        await self.sandbox.advance()
        for _ in range(3):  # what is done causes new events
            for event in await self.news():
                await self.tell(event)
            await self.work()

    async def sweep(self) -> None:
        """Every account at Stripe is read, also those that are not due yet."""
        for _ in range(2):  # the platform's tells which others there are
            await self.sweeps.run_once()
            await self.owner.execute(
                "UPDATE sweeps SET due_at = now(), compare_due_at = now() + interval '1 day'"
            )
            await self.sweeps.run_once()

    async def compare(self) -> list[Comparison]:
        """The books, held against Stripe itself."""
        return await verify_stripe(self.alone)

    async def patience(self) -> None:
        """The pause of what nobody knows is over."""
        await self.owner.execute(
            "UPDATE effects SET due_at = now() - interval '1 s' WHERE state = 'UNKNOWN'"
        )

    # --- the story of an escrow, as far as a test needs it

    async def new_payer(self) -> party_pb.Payer:
        request = party_pb.CreatePayerRequest(
            request_id=new_request_id(),
            reference=new_request_id(),
            name="Ann Payer",
            email="ann@example.com",
        )
        return (await self.service.parties.CreatePayer(request)).payer

    async def new_payee(
        self,
        *,
        active: bool = True,
        account_api: party_pb.AccountApi.ValueType = party_pb.ACCOUNT_API_V2,
        country: str = "US",
    ) -> party_pb.Payee:
        request = party_pb.CreatePayeeRequest(
            request_id=new_request_id(),
            reference=new_request_id(),
            name="Bob Payee",
            email="bob@example.com",
            country=country,
            account_api=account_api,
        )
        payee = (await self.service.parties.CreatePayee(request)).payee
        return await self.onboard(payee) if active else payee

    async def onboard(self, payee: party_pb.Payee) -> party_pb.Payee:
        """The payee fills in Stripe's page, and Stripe tells."""
        await self.sandbox.control(f"accounts/{payee.stripe_account}/onboard")
        await self.settle()
        return await self.find_payee(payee)

    async def lost_payee(
        self, account_api: party_pb.AccountApi.ValueType = party_pb.ACCOUNT_API_V2
    ) -> party_pb.Payee:
        """A payee who has taken access to their account away."""
        return await self.deauthorize(await self.new_payee(account_api=account_api))

    async def deauthorize(self, payee: party_pb.Payee) -> party_pb.Payee:
        """The payee takes access to their account away, and Stripe tells."""
        await self.sandbox.control(f"accounts/{payee.stripe_account}/deauthorize")
        await self.settle()
        return await self.find_payee(payee)

    async def find_payee(self, payee: party_pb.Payee) -> party_pb.Payee:
        request = party_pb.GetPayeeRequest(payee_id=payee.id)
        return (await self.service.parties.GetPayee(request)).payee

    async def new_escrow(
        self,
        *amounts_minor: int,
        currency: str = "USD",
        payer: party_pb.Payer | None = None,
        payee: party_pb.Payee | None = None,
    ) -> pb.Escrow:
        """Of one milestone over 100.00 when no amounts are given; the payee is not onboarded."""
        payer = payer or await self.new_payer()
        payee = payee or await self.new_payee(active=False)
        request = escrow_request(*amounts_minor, payer=payer, payee=payee, currency=currency)
        return (await self.service.escrows.CreateEscrow(request)).escrow

    async def funded_escrow(
        self, *amounts_minor: int, payee: party_pb.Payee | None = None
    ) -> pb.Escrow:
        """Paid for by card, the fee known."""
        escrow = await self.new_escrow(*amounts_minor, payee=payee)
        payment = await self.fund(escrow)
        await self.pay(payment)
        await self.settle()
        return await self.read(escrow)

    async def delivered_escrow(
        self, *amounts_minor: int, payee: party_pb.Payee | None = None
    ) -> pb.Escrow:
        """Funded, and the first milestone delivered."""
        escrow = await self.funded_escrow(*amounts_minor, payee=payee)
        return await self.deliver(escrow)

    async def fund(
        self,
        escrow: pb.Escrow,
        *milestones: pb.Milestone,
        method: pb.PaymentMethod.ValueType = pb.PAYMENT_METHOD_PAYMENT_INTENT,
        capture: pb.CaptureStrategy.ValueType = pb.CAPTURE_STRATEGY_AUTOMATIC,
    ) -> pb.Payment:
        request = pb.FundEscrowRequest(
            request_id=new_request_id(),
            escrow_id=escrow.id,
            milestone_ids=[milestone.id for milestone in milestones],
            method=method,
            capture=capture,
            return_url=RETURN_URL if method == pb.PAYMENT_METHOD_CHECKOUT else "",
        )
        return (await self.payer.escrows.FundEscrow(request)).payment

    async def pay(self, payment: pb.Payment, card: str = CARD) -> None:
        """The payer pays on the marketplace's page."""
        await self.sandbox.control(
            f"payment_intents/{payment.stripe_payment_intent}/pay",
            payment_method=card,
            return_url=RETURN_URL,
        )

    async def deliver(self, escrow: pb.Escrow, number: int = 1) -> pb.Escrow:
        request = pb.SubmitDeliveryRequest(
            request_id=new_request_id(),
            escrow_id=escrow.id,
            milestone_id=escrow.milestones[number - 1].id,
            note="It is in the shared folder.",
        )
        return (await self.payee.escrows.SubmitDelivery(request)).escrow

    async def accept(self, escrow: pb.Escrow, number: int = 1) -> pb.Escrow:
        return (await self.payer.escrows.AcceptDelivery(acceptance(escrow, number))).escrow

    async def read(self, escrow: pb.Escrow) -> pb.Escrow:
        request = pb.GetEscrowRequest(escrow_id=escrow.id)
        return (await self.service.escrows.GetEscrow(request)).escrow

    async def read_payment(self, payment: pb.Payment) -> pb.Payment:
        request = pb.GetPaymentRequest(payment_id=payment.id)
        return (await self.service.escrows.GetPayment(request)).payment

    async def timeline(self, escrow: pb.Escrow) -> list[pb.TimelineEntry]:
        request = pb.ListTimelineRequest(escrow_id=escrow.id)
        return list((await self.service.escrows.ListTimeline(request)).entries)

    async def pay_out(self, payee: party_pb.Payee, amount_minor: int) -> None:
        """The payee's money goes to their bank."""
        request = party_pb.RequestPayoutRequest(
            request_id=new_request_id(), payee_id=payee.id, amount=usd(amount_minor)
        )
        await self.payee.parties.RequestPayout(request)
        await self.settle()

    async def paid_payee(self, amount_minor: int = 10_000) -> party_pb.Payee:
        """An onboarded payee to whom an escrow of this amount was released and transferred."""
        payee = await self.new_payee()
        escrow = await self.delivered_escrow(amount_minor, payee=payee)
        await self.accept(escrow)
        await self.settle()
        return await self.find_payee(payee)


def changes(before: Contents, after: Contents) -> list[str]:
    """What was written between two looks, for an assertion that says it."""
    return [
        f"{name}: {before[name][0]} -> {rows[0]} rows"
        for name, rows in after.items()
        if before[name] != rows
    ]


def names_of(things: tuple[Message | str, ...]) -> Mapping[str, str]:
    """What stands for the ids in the names of accounts."""
    names: dict[str, str] = {}
    for thing in things:
        match thing:
            case pb.Escrow():
                names |= {m.id: f"m{n}" for n, m in enumerate(thing.milestones, start=1)}
                names[thing.payee_id] = "payee"
            case party_pb.Payee():
                names |= {thing.id: "payee", thing.stripe_account: "account"}
            case pb.Payment():
                names[thing.id] = "payment"
            case _:
                raise TypeError(thing)
    return names


def escrow_request(
    *amounts_minor: int, payer: party_pb.Payer, payee: party_pb.Payee, currency: str = "USD"
) -> pb.CreateEscrowRequest:
    amounts = amounts_minor or (10_000,)
    return pb.CreateEscrowRequest(
        request_id=new_request_id(),
        reference=f"job-{new_request_id()}",
        payer_id=payer.id,
        payee_id=payee.id,
        currency=currency,
        milestones=[
            pb.MilestoneInput(title=f"Part {number}", amount_minor=amount_minor)
            for number, amount_minor in enumerate(amounts, start=1)
        ],
    )


def acceptance(escrow: pb.Escrow, number: int = 1) -> pb.AcceptDeliveryRequest:
    return pb.AcceptDeliveryRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[number - 1].id,
    )


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="USD")


def transitions(entry: pb.TimelineEntry) -> list[tuple[str, str, str]]:
    """The changes of one entry: (kind of its subject, from, to)."""
    return [(t.subject[:3], getattr(t, "from"), t.to) for t in entry.transitions]


@asynccontextmanager
async def open_marketplace(
    database: Database,
    sandbox_url: str,
    neighbours_url: str = "",
    **more: str,
) -> AsyncIterator[Marketplace]:
    """The service on this database and sandbox, which is emptied first. The neighbour is at the
    same account of Stripe, unless ``neighbours_url`` says at which sandbox it has its own. ``more``
    are settings of the service.
    """
    config = _config(database, sandbox_url, neighbours_url, **more)
    of_workers = config.settings.model_copy(update={"database_url": SecretStr(database.worker_dsn)})
    async with (
        aiohttp.ClientSession() as http,
        running(config, serve=True, work=False) as everything,
        pooled_database(of_workers, DatabaseRole.WORKER) as pool,
        grpc.aio.insecure_channel(f"127.0.0.1:{everything.port}") as channel,
    ):
        ours = everything.runtime
        pool.turns = ours.pool.turns  # as in one process that serves and works
        work_runtime = Runtime(pool, ours.stripe, ours.clock)
        sandbox = Sandbox(sandbox_url, http)
        await sandbox.reset()
        owner = await asyncpg.connect(database.owner_dsn)
        try:
            yield Marketplace(everything, owner, sandbox, channel, work_runtime)
        finally:
            await owner.close()


@asynccontextmanager
async def second_service(database: Database, sandbox_url: str) -> AsyncIterator[EscrowClient]:
    """Another service on the same database, as another process would be: the payer's client."""
    async with (
        running(_config(database, sandbox_url), serve=True, work=False) as everything,
        grpc.aio.insecure_channel(f"127.0.0.1:{everything.port}") as channel,
    ):
        identity = {"escrow-tenant": TENANT, "escrow-caller": "orders", "escrow-party": "payer"}
        yield EscrowClient(channel, identity, 20.0)


def _config(database: Database, sandbox_url: str, neighbours_url: str = "", **more: str) -> Config:
    tenant = Tenant(API_KEY, sandbox_url, 1000)  # the sandbox has no limit
    neighbour = Tenant(API_KEY, neighbours_url or sandbox_url, 1000)
    settings = Settings(
        auth="development",
        database_url=database.service_dsn,  # type: ignore[arg-type]  # read from text, as ever
        database_pool_min=0,  # a test needs few connections, and each takes time
        grpc_port=0,
        drain_s=1,
        **more,  # type: ignore[arg-type]  # read from text, as ever
    )
    return Config(settings, {TENANT: tenant, NEIGHBOUR: neighbour})
