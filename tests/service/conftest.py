"""The service on a database of the test's own, and a Stripe that belongs to this test alone."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from service.operations.operators.verify_books import verify_books
from tests.postgres import Database, Server, migrated_database
from tests.service.operations.marketplace import Marketplace, open_marketplace

SANDBOX = [sys.executable, "-m", "stripe_sandbox", "--port", "0"]


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """Stripe, as a program of its own; every marketplace starts with an empty one."""
    with subprocess.Popen(SANDBOX, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        listening = re.search(r"http://\S+", process.stdout.readline())
        assert listening is not None
        yield listening[0]
        process.terminate()


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
