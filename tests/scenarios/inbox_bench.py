"""The service's own operations in this process, against a real database and a real sandbox.

For what has to be done hundreds of times: every order of a payment's events. Nothing is delivered
by itself; the test takes the events from the sandbox and tells them in the order of its choice.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import asyncpg

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from escrow.v1.stripe_event_service_pb2 import STRIPE_ENDPOINT_PLATFORM, IngestStripeEventRequest
from service.domain.call import Call, Party
from service.operations.escrows.create_escrow import create_escrow
from service.operations.inbox.ingest_stripe_event import ingest_stripe_event
from service.operations.operators.verify_books import verify_books
from service.operations.parties.create_payee import create_payee
from service.operations.parties.create_payer import create_payer
from service.operations.payments.fund_escrow import fund_escrow
from service.runtime import Runtime
from service.store.pool import open_pool
from service.stripe.gateway import StripeGateway
from service.workers.inbox import InboxWorker
from tests.postgres import Server, migrated_database
from tests.scenarios.books import Journal, assert_same_as_stripe, read_journals, uuid_of
from tests.scenarios.program import Program
from tests.scenarios.sandbox_client import API_KEY, Json, SandboxClient

PAYMENT = """
SELECT p.state, p.failure_code, p.processing_fee_minor, m.state AS milestone, m.funded_minor
FROM payments AS p JOIN milestones AS m USING (tenant_id, payment_id)
WHERE p.payment_id = $1::uuid"""
UNFINISHED = """
SELECT type, state, reason FROM stripe_events WHERE state NOT IN ('PROCESSED', 'IGNORED')"""


@dataclass(frozen=True)
class Funding:
    """An escrow of one milestone with the payment that funds it."""

    escrow: pb.Escrow
    payment: pb.Payment

    @property
    def intent(self) -> str:
        return self.payment.stripe_payment_intent


class InboxBench:
    """Makes payments in bulk, and tells their events."""

    def __init__(self, runtime: Runtime, pool: asyncpg.Pool, sandbox: SandboxClient) -> None:
        self.runtime = runtime
        self.pool = pool
        self.sandbox = sandbox
        self.turns = asyncio.Semaphore(16)  # so many payments are made side by side
        self._inbox = InboxWorker(runtime)
        self._payer = party.Payer()
        self._payee = party.Payee()

    def _call(self, request: object, acting: Party = Party.SERVICE) -> Call:
        return Call("default", "bench", acting, getattr(request, "request_id", ""), may_pay=True)

    async def open_parties(self) -> None:
        """One payer and one payee for everything here."""
        payer = party.CreatePayerRequest(
            request_id=new_request_id(), reference="ann", name="Ann", email="ann@example.com"
        )
        payee = party.CreatePayeeRequest(
            request_id=new_request_id(),
            reference="bob",
            name="Bob",
            email="bob@example.com",
            country="US",
        )
        self._payer = (await create_payer(self.runtime, self._call(payer), payer)).payer
        self._payee = (await create_payee(self.runtime, self._call(payee), payee)).payee

    async def fund(self, method: pb.PaymentMethod.ValueType, *, by_hand: bool = False) -> Funding:
        """A new escrow of 100.00 USD, and its payment."""
        wanted = pb.CreateEscrowRequest(
            request_id=new_request_id(),
            reference="job",
            payer_id=self._payer.id,
            payee_id=self._payee.id,
            currency="USD",
            milestones=[pb.MilestoneInput(title="All of it", amount_minor=10_000)],
        )
        escrow = (await create_escrow(self.runtime, self._call(wanted), wanted)).escrow
        request = pb.FundEscrowRequest(
            request_id=new_request_id(),
            escrow_id=escrow.id,
            method=method,
            capture=pb.CAPTURE_STRATEGY_MANUAL if by_hand else pb.CAPTURE_STRATEGY_AUTOMATIC,
            return_url="https://shop.example/thanks",
        )
        call = self._call(request, Party.PAYER)
        return Funding(escrow, (await fund_escrow(self.runtime, call, request)).payment)

    async def events_of(self, fundings: Sequence[Funding]) -> list[list[Json]]:
        """What Stripe has to tell about each payment, oldest first."""
        # All there are, or for one payment, which was made just now, the newest hundred.
        page = {"limit": "100"}
        told = (
            (await self.sandbox.stripe("GET", "/v1/events", **page))["data"]
            if len(fundings) == 1
            else await self.sandbox.events()
        )
        by_payment: dict[str, list[Json]] = {}
        for event in reversed(told):
            if payment := _payment_in(event):
                by_payment.setdefault(payment, []).append(event)
        return [by_payment[funding.payment.id] for funding in fundings]

    async def tell(self, orders: Sequence[Sequence[Json]]) -> None:
        """Tells the events of many payments, each payment's in its own order.

        An event is applied before the next one of the same payment is told.
        """
        for turn in range(max(map(len, orders))):
            told = [order[turn] for order in orders if turn < len(order)]
            await asyncio.gather(*map(self._ingest, told))
            while await self._inbox.run_once():
                pass
        unfinished = [tuple(row) for row in await self.pool.fetch(UNFINISHED)]
        assert unfinished == []

    async def _ingest(self, event: Json) -> None:
        request = IngestStripeEventRequest(
            endpoint=STRIPE_ENDPOINT_PLATFORM, payload=json.dumps(event).encode()
        )
        await ingest_stripe_event(self.runtime, self._call(request), request)

    async def journals(self, funding: Funding) -> list[Journal]:
        return await read_journals(
            self.pool, funding.escrow.id, {funding.escrow.milestones[0].id: "m1"}
        )

    async def known(self, funding: Funding) -> tuple[object, ...]:
        """(payment's state, failure, Stripe's fee, milestone's state, what is funded)."""
        row = await self.pool.fetchrow(PAYMENT, uuid_of(funding.payment.id))
        assert row is not None
        return tuple(row)


def _payment_in(event: Json) -> str:
    """Our id of the payment that an event is about; empty when it is about something else."""
    told = (event.get("data") or {}).get("object") or {}
    return str((told.get("metadata") or {}).get("payment") or "")


@asynccontextmanager
async def open_bench(server: Server, template: str, folder: Path) -> AsyncIterator[InboxBench]:
    program = Program(
        "sandbox", ["stripe_sandbox"], {}, folder, r"Stripe sandbox listening on (\S+)"
    )
    try:
        url = await program.start()
        async with (
            migrated_database(server, template) as database,
            aiohttp.ClientSession() as http,
            StripeGateway(API_KEY, environment="bench", api_base=url, rate_per_s=100_000) as stripe,
        ):
            pool = await open_pool(database.worker_dsn, role="escrow_worker")
            runtime = Runtime(pool, {"default": stripe}, lambda: datetime.now(UTC))
            bench = InboxBench(runtime, pool, SandboxClient(url, http))
            try:
                await bench.sandbox.control("POST", "settings", capture_delay_ms=0)
                await bench.open_parties()
                yield bench
                assert await bench.sandbox.schema_problems() == []
                await assert_same_as_stripe(pool, bench.sandbox)
                assert (await verify_books(pool)).clean
            finally:
                await pool.close()
    finally:
        await program.end()
