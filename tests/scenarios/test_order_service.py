"""The example that a marketplace's team copies, as a process beside the whole system."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from escrow.v1 import escrow_service_pb2 as pb
from tests.scenarios.books import FUNDED, SETTLED, TRANSFERRED, books
from tests.scenarios.deal import Deal, open_deal
from tests.scenarios.program import ROOT, Program, until
from tests.world import World

ORDER = "order-1"


class OrderService:
    """The running example, and the order that it is asked about."""

    def __init__(self, deal: Deal, program: Program, database: Path) -> None:
        self.deal = deal
        self.program = program
        self.database = database
        self.url = ""

    async def start(self) -> None:
        self.url = await self.program.start()

    async def post(self, step: str, order: str = ORDER, **body: object) -> tuple[int, Any]:
        """Takes a step: (HTTP status, what is answered)."""
        http = self.deal.world.sandbox.http
        async with http.post(f"{self.url}/orders/{order}/{step}", json=body) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    async def award(self) -> tuple[int, Any]:
        return await self.post(
            "award",
            payer_id=self.deal.payer.id,
            payee_id=self.deal.payee.id,
            title="A painted portrait",
            price_minor=10_000,
        )

    def steps(self) -> set[str]:
        """The steps whose request_id is stored."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as database:
            return {step for (step,) in database.execute("SELECT step FROM steps")}

    async def follow(self) -> None:
        """From here on ``deal`` speaks of the order's escrow, the only one, and of its payment."""
        escrows = self.deal.as_service.escrows
        request = pb.ListEscrowsRequest(
            filter=f'payer_id = "{self.deal.payer.id}" AND reference = "{ORDER}"'
        )
        [self.deal.escrow] = (await escrows.ListEscrows(request)).escrows
        self.deal.payment.id = self.deal.escrow.milestones[0].payment_id
        await self.deal.read_payment()


@pytest.fixture
async def orders(world: World, tmp_path: Path) -> AsyncIterator[OrderService]:
    deal = await open_deal(world)
    environment = {
        "ESCROW_TARGET": world.target,
        "ORDERS_DATABASE": str(tmp_path / "orders.db"),
        "PORT": "0",
        "PYTHONPATH": str(ROOT / "proto"),
    }
    program = Program(
        "orders", ["examples.order_service"], environment, tmp_path, r"Running on (http\S+)"
    )
    service = OrderService(deal, program, tmp_path / "orders.db")
    try:
        await service.start()
        yield service
    finally:
        await program.end()


async def test_an_order_is_paid_into_escrow_and_released_on_acceptance(
    orders: OrderService,
) -> None:
    deal = orders.deal
    status, answer = await orders.award()
    assert status == 200
    await orders.follow()
    assert answer == {"client_secret": deal.payment.client_secret}
    assert answer["client_secret"].startswith(deal.payment.stripe_payment_intent)

    status, told = await orders.post("accept")
    assert (status, "is AWAITING_FUNDS" in told) == (409, True)
    assert await deal.journals() == []

    await deal.pay()
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert await deal.journals() == books(FUNDED, SETTLED)

    assert await orders.post("accept") == (204, "")
    assert await orders.post("accept") == (204, "")
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    assert await deal.journals() == books(*TRANSFERRED)
    assert await deal.transfers() == [8_000]


async def test_a_crash_in_the_middle_of_a_step_is_mended_by_taking_it_again(
    orders: OrderService,
) -> None:
    deal, sandbox = orders.deal, orders.deal.world.sandbox
    await sandbox.arm(kind="latency", path_prefix="/v1/payment_intents", latency_ms=1_500)
    crashing = asyncio.create_task(orders.award())

    async def funding() -> bool:
        return f"fund {ORDER}" in orders.steps()

    await until(funding, "funding")
    await orders.program.kill()
    with pytest.raises(aiohttp.ClientError):
        await crashing

    await orders.start()
    status, answer = await orders.award()
    assert (status, await orders.award()) == (200, (200, answer))
    await orders.follow()
    assert answer == {"client_secret": deal.payment.client_secret}
    made = await sandbox.all_of("/v1/payment_intents", customer=deal.payer.stripe_customer)
    assert [intent["id"] for intent in made] == [deal.payment.stripe_payment_intent]


async def test_an_order_that_was_never_awarded_is_not_found(orders: OrderService) -> None:
    assert (await orders.post("accept", order="order-2"))[0] == 404
