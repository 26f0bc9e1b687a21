"""The service or its database is away for a while: Stripe comes again, and nothing is lost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from tests.postgres import SERVICE_LOGIN, Server, connected
from tests.scenarios.books import FUNDED, SETTLED, TRANSFERRED, books
from tests.scenarios.deal import open_deal
from tests.scenarios.program import until
from tests.scenarios.sandbox_client import Json
from tests.world import World, open_world

RETRY_S = 3_600  # Stripe's first pauses between two deliveries are shorter


@pytest.fixture(scope="module")
async def shared_world(
    postgres_server: Server, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("outages")
    async with open_world(postgres_server, template_database, folder) as world:
        yield world
        await world.check()


@pytest.fixture
async def outage_world(shared_world: World) -> World:
    """A world in which everything runs, and may be stopped."""
    await shared_world.start_all()
    return shared_world


async def refused_deliveries(world: World) -> list[Json]:
    """The deliveries that were answered with 503, once there are some."""

    async def refused() -> list[Json]:
        return [
            delivery
            for delivery in await world.sandbox.deliveries("pending")
            if delivery["attempts"] and delivery["attempts"][-1]["status_code"] == 503
        ]

    return await until(refused, "delivery answered with 503")


async def redeliver(world: World) -> None:
    """Once the gateway sees the service again, Stripe's pauses pass until all is delivered."""

    async def ready() -> bool:
        async with world.sandbox.http.get(f"{world.gateway_url}/readyz") as answer:
            return answer.status == 200

    async def all_delivered() -> bool:
        await world.sandbox.advance(RETRY_S)
        return not await world.sandbox.deliveries("pending")

    await until(ready, "gateway that is ready")
    await until(all_delivered, "delivery of everything")
    assert not await world.sandbox.deliveries("failed")


async def test_the_service_is_away_while_the_payer_pays(outage_world: World) -> None:
    world = outage_world
    deal = await open_deal(world)
    await deal.fund()
    await world.stop("service")
    await deal.pay()
    assert await refused_deliveries(world)
    await world.start("service")
    await redeliver(world)
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert await deal.journals() == books(FUNDED, SETTLED)


@asynccontextmanager
async def no_database(server: Server, world: World) -> AsyncIterator[None]:
    """Nobody of the service gets into the database, and who is in it is thrown out."""
    name = world.database.name
    async with connected(server.admin_dsn) as admin:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = $1 AND usename = $2",
                name,
                SERVICE_LOGIN,
            )
            yield
        finally:
            await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


async def test_the_database_is_away_while_the_payer_pays(
    outage_world: World, postgres_server: Server
) -> None:
    world = outage_world
    deal = await open_deal(world)
    await deal.fund()
    async with no_database(postgres_server, world):
        await deal.pay()
        assert await refused_deliveries(world)
    await redeliver(world)
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert await deal.journals() == books(FUNDED, SETTLED)


async def test_the_database_is_away_while_money_is_on_its_way(
    outage_world: World, postgres_server: Server
) -> None:
    world = outage_world
    deal = await open_deal(world)
    await deal.pay_for()
    await world.stop("worker")
    await deal.release()
    async with no_database(postgres_server, world):
        pass  # the server lost all of its connections
    await world.start("worker")
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    assert await deal.transfers() == [8_000]
    assert await deal.journals() == books(*TRANSFERRED)


async def test_the_gateway_is_away_while_the_payer_pays(outage_world: World) -> None:
    world = outage_world
    deal = await open_deal(world)
    await deal.fund()
    await world.kill("gateway")
    await deal.pay()

    async def failed() -> list[Json]:
        return [d for d in await world.sandbox.deliveries("pending") if d["attempts"]]

    assert await until(failed, "delivery that nobody took")
    await world.start("gateway")
    await redeliver(world)
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert await deal.journals() == books(FUNDED, SETTLED)
