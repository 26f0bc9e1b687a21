"""What runs tenant by tenant on a cluster: the same texts have to work on one PostgreSQL too."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from service.migrations import Connection
from service.store.commit import Commits, write
from service.store.distribution import distribution_calls, has_citus, parents_first
from service.store.effects import lease_due_effects
from service.store.engine import CITUS, POSTGRESQL
from service.store.escrows import find_escrow
from service.store.pool import ServicePool, open_pool
from tests.postgres import Database
from tests.records import NOW, TENANT, fund_deal, new_effect, new_unit

LEASE = timedelta(seconds=90)
# As the extension has them, as far as a call goes.
STAND_INS = """\
CREATE TABLE pg_temp.called (name text);
CREATE FUNCTION create_distributed_table(name regclass, tenant text, colocate_with text DEFAULT '')
RETURNS void LANGUAGE sql AS $$ INSERT INTO pg_temp.called VALUES (name::text) $$;
CREATE FUNCTION create_distributed_function(name regprocedure, tenant text, colocate_with text)
RETURNS void LANGUAGE sql AS $$ INSERT INTO pg_temp.called VALUES (name::text) $$"""
EVERY_TABLE = """\
SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"""


@pytest.fixture
async def cluster_pool(database: Database) -> AsyncIterator[ServicePool]:
    pool = await open_pool(database.worker_dsn, role="", max_size=4, engine=CITUS)
    yield pool
    await pool.close()


async def test_a_connection_has_the_settings_of_its_engine(
    pool: ServicePool, cluster_pool: ServicePool
) -> None:
    for opened, engine in ((pool, POSTGRESQL), (cluster_pool, CITUS)):
        for setting, value in engine.settings.items():
            assert await opened.fetchval("SELECT current_setting($1)", setting) == value


async def test_a_load_is_of_one_tenant(cluster_pool: ServicePool) -> None:
    deals = [await fund_deal(cluster_pool) for _ in range(3)]
    asked = [(tenant, deal.escrow.escrow_id) for deal in deals for tenant in (TENANT, "other")]

    found = await asyncio.gather(*(find_escrow(cluster_pool, *each) for each in asked))

    ids = [records and records.escrow.escrow_id for records in found]
    assert ids == [escrow_id if tenant == TENANT else None for tenant, escrow_id in asked]
    assert len(cluster_pool.loads._lanes) == 2


@pytest.mark.parametrize("per_tenant", [False, True])
async def test_a_commit_is_shared_within_a_tenant(
    pool: ServicePool, cluster_pool: ServicePool, *, per_tenant: bool
) -> None:
    commits = Commits(cluster_pool if per_tenant else pool)
    units = [new_unit(key=f"shared {number}") for number in range(3)]
    units.append(new_unit(tenant_id="other", key="shared 4"))

    await asyncio.gather(*map(commits.commit, units))

    count = "SELECT count(DISTINCT xmin::text) FROM operations WHERE key LIKE 'shared %'"
    assert await pool.fetchval(count) == (2 if per_tenant else 1)


async def test_leases_go_from_tenant_to_tenant(cluster_pool: ServicePool) -> None:
    unit = new_unit()
    for tenant_id in (TENANT, "other", "third"):
        unit.put(new_effect(tenant_id=tenant_id))
    await write(cluster_pool, [unit])

    leased = await lease_due_effects(cluster_pool, NOW, lease=LEASE, limit=2)
    rest = await lease_due_effects(cluster_pool, NOW, lease=LEASE, limit=2)

    assert len(leased) == 2
    assert {effect.tenant_id for effect in leased + rest} == {TENANT, "other", "third"}
    assert await lease_due_effects(cluster_pool, NOW, lease=LEASE, limit=2) == []


async def test_every_table_of_a_tenant_is_distributed_after_its_parents(owner: Connection) -> None:
    calls = await distribution_calls(owner)

    assert not await has_citus(owner)
    tables = [call.split("'")[1] for call in calls if "create_distributed_table" in call]
    assert tables.index("payers") < tables.index("escrows") < tables.index("milestones")
    assert "schema_migrations" not in tables
    assert {*tables, "schema_migrations"} == {row[0] for row in await owner.fetch(EVERY_TABLE)}
    functions = [call for call in calls if "create_distributed_function" in call]
    assert [call.split("'")[1].partition("(")[0] for call in functions] == [
        "next_transaction_id",
        "roll_up_balances",
        "seal_operations",
    ]


async def test_the_calls_fit_what_the_extension_has(owner: Connection) -> None:
    calls = [call for call in await distribution_calls(owner) if call.startswith("SELECT")]
    await owner.execute(STAND_INS)

    for call in calls:
        await owner.execute(call)

    assert await owner.fetchval("SELECT count(*) FROM pg_temp.called") == len(calls)


def test_a_circle_of_foreign_keys_is_named() -> None:
    with pytest.raises(ValueError, match="circle"):
        parents_first({"a": ["b"], "b": ["a"]})
