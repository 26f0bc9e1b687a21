"""The service on a database of the test's own, and a Stripe that belongs to this test alone."""

from collections.abc import AsyncIterator, Iterator

import pytest

from service.operations.feed.types import EVENT_TYPES
from service.operations.operators.verify_books import verify_books
from tests.postgres import Database, Server, migrated_database
from tests.service.operations.marketplace import Marketplace, open_marketplace
from tests.service.sandbox_program import running_sandbox


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """Stripe, as a program of its own; every marketplace starts with an empty one."""
    with running_sandbox() as url:
        yield url


@pytest.fixture
async def market(database: Database, sandbox_url: str) -> AsyncIterator[Marketplace]:
    """Whatever the test does, the books are right at its end."""
    async with open_marketplace(database, sandbox_url) as market:
        yield market
        await _assert_right(market)


async def _assert_right(market: Marketplace) -> None:
    """The books are, and whatever was done is a type of event."""
    report = await verify_books(market.running.runtime.pool)
    assert report.clean, report
    done = {row[0] for row in await market.owner.fetch("SELECT DISTINCT kind FROM operations")}
    assert done <= EVENT_TYPES


@pytest.fixture(scope="module")
async def shared_market(
    postgres_server: Server, template_database: str, sandbox_url: str
) -> AsyncIterator[Marketplace]:
    """For modules that only look, or are only refused: one marketplace for all of their tests."""
    async with (
        migrated_database(postgres_server, template_database) as database,
        open_marketplace(database, sandbox_url) as market,
    ):
        yield market
        await _assert_right(market)
