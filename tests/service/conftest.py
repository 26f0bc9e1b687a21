"""The service on a database of the test's own, and a Stripe that belongs to this test alone."""

from collections.abc import AsyncIterator, Iterator

import pytest

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
        report = await verify_books(market.running.runtime.pool)
        assert report.clean, report


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
        report = await verify_books(market.running.runtime.pool)
        assert report.clean, report
