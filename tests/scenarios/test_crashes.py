"""A process is killed between any two steps of an effect: Stripe does it once, and we book it once.

What may be lost is decided on the wire (the request on its way there, the answer on its way back)
and by a lock in the database (the answer has come and cannot be written down).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import grpc
import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from tests.postgres import Server
from tests.scenarios.books import (
    CONFIRMED,
    FUNDED,
    PAYOUT_CREATED,
    RELEASED,
    REQUESTED,
    SETTLED,
    TRANSFERRED,
    books,
    refused,
)
from tests.scenarios.deal import Deal, open_deal
from tests.scenarios.program import until
from tests.scenarios.wire import Held, Wire
from tests.world import World, open_world

LEASE_S = 600  # longer than the lease of an effect, whose worker is then taken for dead
KEY_LIFETIME_S = 25 * 3600  # longer than Stripe remembers an idempotency key
TRANSFERS, PAYOUTS, INTENTS = "/v1/transfers", "/v1/payouts", "/v1/payment_intents"

WAITING_FOR_LOCK = """
SELECT pid FROM pg_locks JOIN pg_class ON pg_class.oid = relation
WHERE relname = 'operations' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@pytest.fixture(scope="module")
async def shared_world(
    postgres_server: Server, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A wired world, so that what is on its way can be lost."""
    folder = tmp_path_factory.mktemp("shaky")
    async with open_world(postgres_server, template_database, folder, wired=True) as world:
        yield world
        await world.check()


@pytest.fixture
async def shaky_world(shared_world: World) -> World:
    """A world in which everything runs, and may die."""
    await shared_world.start_all()
    return shared_world


@pytest.fixture
async def deal(shaky_world: World) -> AsyncIterator[Deal]:
    """A funded deal about which no event helps: everything else has to."""
    deal = await open_deal(shaky_world)
    await deal.pay_for()
    await shaky_world.sandbox.hold()
    yield deal
    await shaky_world.sandbox.release()


def wire_of(deal: Deal) -> Wire:
    assert deal.world.wire is not None
    return deal.world.wire


async def posts(deal: Deal, path: str) -> list[bool]:
    """The requests to a path that have arrived about this deal, oldest first: was it a replay?"""
    arrived = await deal.world.sandbox.requests("POST", path)
    ours = (deal.escrow.id, deal.payee.id)
    return [
        told["replayed"]
        for told in reversed(arrived)
        if any(mark in told["params"].get("metadata", {}).values() for mark in ours)
    ]


async def kill_in_transfer(deal: Deal, *, before: bool) -> Held:
    """Releases the money, and kills the worker while the transfer is on the wire."""
    held = wire_of(deal).hold("POST", TRANSFERS, before=before)
    await deal.release()
    await held.reached()
    await deal.world.kill("worker")
    return held


async def revive(world: World, passed_s: float = LEASE_S) -> None:
    """The worker comes back when the lease of the dead one has run out."""
    await world.let_pass(passed_s)
    await world.start("worker")


async def assert_transferred_once(deal: Deal) -> None:
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    assert await deal.transfers() == [8_000]
    assert await deal.journals() == books(*TRANSFERRED)


async def test_killed_before_the_request_has_arrived(deal: Deal) -> None:
    held = await kill_in_transfer(deal, before=True)
    held.lose()
    assert await posts(deal, TRANSFERS) == []
    await revive(deal.world)
    await assert_transferred_once(deal)
    assert await posts(deal, TRANSFERS) == [False]


async def test_killed_and_the_request_arrives_after_that_of_the_next_worker(deal: Deal) -> None:
    held = await kill_in_transfer(deal, before=True)
    await revive(deal.world)
    await assert_transferred_once(deal)
    held.let_go()

    async def arrived() -> bool:
        return len(await posts(deal, TRANSFERS)) == 2

    await until(arrived, "late request")
    assert await posts(deal, TRANSFERS) == [False, True]  # the same key: answered, not executed
    await assert_transferred_once(deal)


async def test_killed_after_the_effect_before_the_answer(deal: Deal) -> None:
    held = await kill_in_transfer(deal, before=False)
    held.lose()
    await revive(deal.world)
    await assert_transferred_once(deal)
    assert await posts(deal, TRANSFERS) == [False]  # it was found, and not sent again


async def test_killed_after_the_effect_and_its_event_tells_first(deal: Deal) -> None:
    held = await kill_in_transfer(deal, before=False)
    held.lose()
    await deal.world.sandbox.release()
    await deal.world.start("worker")  # the lease still holds: only the event can tell
    await assert_transferred_once(deal)
    await deal.world.let_pass(LEASE_S)


@asynccontextmanager
async def nobody_writes(world: World) -> AsyncIterator[None]:
    """Whoever commits a change waits until the end."""
    async with world.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE operations IN EXCLUSIVE MODE")
        yield


async def until_somebody_waits(world: World) -> list[int]:
    """The processes of the database that wait for ``nobody_writes``."""

    async def waiting() -> list[asyncpg.Record]:
        return list(await world.pool.fetch(WAITING_FOR_LOCK))

    return [row["pid"] for row in await until(waiting, "commit that waits for the lock")]


async def test_killed_with_the_answer_that_was_not_written_down(deal: Deal) -> None:
    world = deal.world
    held = wire_of(deal).hold("POST", TRANSFERS, before=False)
    await deal.release()
    await held.reached()
    async with nobody_writes(world):
        held.let_go()
        waiting = await until_somebody_waits(world)
        await world.kill("worker")
        for process in waiting:
            assert await world.pool.fetchval("SELECT pg_terminate_backend($1)", process)
    assert await deal.journals() == books(FUNDED, SETTLED, RELEASED, REQUESTED)
    await revive(world)
    await assert_transferred_once(deal)
    assert await posts(deal, TRANSFERS) == [False]


async def test_killed_and_nobody_sees_whether_the_answer_was_written_down(deal: Deal) -> None:
    world = deal.world
    held = wire_of(deal).hold("POST", TRANSFERS, before=False)
    await deal.release()
    await held.reached()
    async with nobody_writes(world):
        held.let_go()
        await until_somebody_waits(world)
        await world.kill("worker")
    # The commit was on its way: whether it is made now is for the database to say.
    await revive(world)
    await assert_transferred_once(deal)
    assert await posts(deal, TRANSFERS) == [False]


async def test_found_again_when_stripe_has_long_forgotten_the_key(deal: Deal) -> None:
    held = await kill_in_transfer(deal, before=False)
    held.lose()
    await deal.world.sandbox.advance(KEY_LIFETIME_S)
    await revive(deal.world, KEY_LIFETIME_S)
    await assert_transferred_once(deal)
    assert await posts(deal, TRANSFERS) == [False]


async def test_never_sent_blindly_when_stripe_has_long_forgotten_the_key(deal: Deal) -> None:
    held = await kill_in_transfer(deal, before=True)
    held.lose()
    await deal.world.sandbox.advance(KEY_LIFETIME_S)
    await revive(deal.world, KEY_LIFETIME_S)

    async def given_back() -> bool:
        return await deal.journals() == books(FUNDED, SETTLED, RELEASED, REQUESTED, refused(8_000))

    await until(given_back, "money back in payable")
    assert await posts(deal, TRANSFERS) == []
    await deal.world.let_pass(LEASE_S)  # then it is asked for again, under the next key
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    assert await deal.transfers() == [8_000]
    assert await deal.journals() == books(
        FUNDED, SETTLED, RELEASED, REQUESTED, refused(8_000), REQUESTED, CONFIRMED
    )


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_killed_in_a_payout(deal: Deal, before: bool) -> None:
    await deal.release()
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    held = wire_of(deal).hold("POST", PAYOUTS, before=before)
    await deal.pay_out(8_000)
    await held.reached()
    await deal.world.kill("worker")
    held.lose()
    await revive(deal.world)
    await deal.until_payout(party.PAYOUT_STATE_PENDING)
    assert await deal.journals() == books(*TRANSFERRED, PAYOUT_CREATED)
    made = await deal.world.sandbox.all_of(PAYOUTS, account=deal.payee.stripe_account)
    assert [payout["amount"] for payout in made] == [8_000]
    assert await posts(deal, PAYOUTS) == [False]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_the_server_is_killed_while_it_makes_a_payment(
    shaky_world: World,
    before: bool,
) -> None:
    world = shaky_world
    deal = await open_deal(world)
    held = wire_of(deal).hold("POST", INTENTS, before=before)
    request = pb.FundEscrowRequest(request_id=new_request_id(), escrow_id=deal.escrow.id)
    asked = asyncio.ensure_future(deal.as_payer.escrows.FundEscrow(request))
    await held.reached()
    await world.kill("service")
    held.lose()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await asked
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    await world.start("service")
    await world.let_pass(LEASE_S)
    deal.payment = (await deal.as_payer.escrows.FundEscrow(request)).payment
    made = await world.sandbox.all_of(INTENTS, customer=deal.payer.stripe_customer)
    assert [intent["id"] for intent in made] == [deal.payment.stripe_payment_intent]
    assert await posts(deal, INTENTS) == [False]
    await deal.pay()
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert await deal.journals() == books(FUNDED, SETTLED)
