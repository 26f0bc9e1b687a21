from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

from tests.depth import deeper
from tests.postgres import (
    Database,
    Server,
    migrated_database,
    prepare_template,
    running_server,
    share_types_of_copies,
)
from tests.recorded import Metrics, Spans, recorded_metrics, recorded_spans

# Beside what Hypothesis itself loads where CI is set, which draws the same examples every time.
settings.register_profile("ours", settings.default, max_examples=deeper(25, 200), deadline=None)
settings.load_profile("ours")
share_types_of_copies()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A running PostgreSQL, shared by every worker of this run."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
async def template_database(postgres_server: Server) -> str:
    """The name of the database that holds the migrated schema and no rows of a test."""
    return await prepare_template(postgres_server)


@pytest.fixture
async def database(postgres_server: Server, template_database: str) -> AsyncIterator[Database]:
    """A database of this test's own, with the migrated schema."""
    async with migrated_database(postgres_server, template_database) as database:
        yield database


@pytest.fixture
def spans() -> Iterator[Spans]:
    """The spans that end in this process while the test runs."""
    with recorded_spans() as spans:
        yield spans


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    """What is measured in this process while the test runs."""
    with recorded_metrics() as metrics:
        yield metrics
