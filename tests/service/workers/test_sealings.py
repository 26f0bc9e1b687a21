"""The worker that gives operations their positions."""

from collections.abc import AsyncIterator

import pytest

from service.runtime import Runtime
from service.store.commit import write
from service.store.pool import ServicePool
from service.stripe.gateway import StripeGateway
from service.workers import sealings
from service.workers.sealings import LESS_OFTEN, MOST_IN_VAIN, SealingsWorker
from tests.postgres import Database, connected
from tests.records import NOW, TENANT, new_unit
from tests.service.store.pools import service_pool

GATEWAY = StripeGateway(
    "sk_test_1", environment="test", api_base="http://127.0.0.1:9", livemode=False, rate_per_s=1
)  # nothing listens there: never called
SEALED = "SELECT count(*) FROM positions"


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[ServicePool]:
    async with service_pool(database, size=4) as pool:
        yield pool


async def test_all_that_is_committed_is_sealed_in_steps(
    pool: ServicePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealings, "MOST", 2)
    worker = SealingsWorker(Runtime(pool, {TENANT: GATEWAY}, lambda: NOW))
    assert await worker.run_once() == 0
    await write(pool, [new_unit(key=str(number)) for number in range(5)])

    assert await worker.run_once() == 1

    assert await pool.fetchval(SEALED) == 5
    assert await worker.run_once() == 0


async def test_a_tenant_that_only_seems_to_have_some_is_looked_at_less_often(
    pool: ServicePool, database: Database
) -> None:
    """As after a restored dump, whose transaction ids this server has not reached."""
    worker = SealingsWorker(Runtime(pool, {TENANT: GATEWAY}, lambda: NOW))
    await write(pool, [new_unit(key="first")])
    async with connected(database.owner_dsn) as owner:
        await owner.execute("UPDATE operations SET transaction_id = 1000000000")
        await owner.execute("INSERT INTO sealings VALUES ($1, 0, 1000000000, '{}', 1)", TENANT)
    assert await worker.run_once() == 1
    assert await pool.fetchval(SEALED) == 1

    looks = [await worker.run_once() for _ in range(MOST_IN_VAIN + 2 * LESS_OFTEN)]
    assert sum(looks) == MOST_IN_VAIN + 2

    await write(pool, [new_unit(key="second")])
    while await worker.run_once() == 0:
        pass
    assert await pool.fetchval(SEALED) == 2
    assert await worker.run_once() == 1  # it looks often again
