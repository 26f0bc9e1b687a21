"""One world for most scenarios, each with parties and an escrow of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.postgres import Server
from tests.scenarios.deal import Deal, open_deal
from tests.world import World, open_world


@pytest.fixture(scope="session")
async def world(
    postgres_server: Server, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """The system that scenarios share as long as they break nothing in it."""
    folder = tmp_path_factory.mktemp("world")
    async with open_world(postgres_server, template_database, folder) as world:
        yield world
        await world.check()


@pytest.fixture
async def deal(world: World) -> Deal:
    """An escrow of 100.00 USD in one milestone; the payee is onboarded."""
    return await open_deal(world)
