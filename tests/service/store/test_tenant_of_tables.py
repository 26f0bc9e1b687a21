"""Every statement enters every table by a tenant, as PostgreSQL itself plans it: a second look at a
table under the same name, a join, a subquery, whatever the text looks like.

What is rightly of many tenants stands in across_tenants.py, by its name and with its reason.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asyncpg.pool import PoolConnectionProxy as Connection

from service.store.pool import open_pool
from tests.postgres import Server, migrated_database
from tests.service.store.across_tenants import across_tenants
from tests.service.store.test_statements import STATEMENTS


@pytest.fixture(scope="module")
async def planner(postgres_server: Server, template_database: str) -> AsyncIterator[Connection]:
    """A connection that plans as the service's do."""
    async with migrated_database(postgres_server, template_database) as database:
        pool = await open_pool(database.worker_dsn, role="", min_size=1, max_size=1)
        async with pool.acquire() as connection:
            yield connection
        await pool.close()


async def unbounded(connection: Connection, statement: str) -> list[str]:
    """The tables that the plan enters without comparing their tenant with something."""
    kinds = (await connection.prepare(statement)).get_parameters()
    nulls = f"({', '.join(['NULL'] * len(kinds))})" if kinds else ""
    await connection.execute(f"PREPARE planned AS {statement}")
    try:
        told = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE planned{nulls}")
    finally:
        await connection.execute("DEALLOCATE planned")
    plan = json.loads(told)[0]["Plan"]
    # Tables that are bound to each other only are bound to nobody.
    return list(_unbounded(plan)) or ([] if ASKED.search(told) else list(_tables(plan)))


CONDITIONS = ("Index Cond", "Recheck Cond", "Filter", "Join Filter", "Hash Cond", "Merge Cond")
# The tenant, or the rows that bring theirs, is of the statement's arguments.
ASKED = re.compile(r"tenant_id = \$\d|Function Scan")
KEEPS = ("Materialize", "Memoize", "Sort")  # what lies between a join and what it joins
OF_TENANT = re.compile(r"\btenant_id = (?!ANY)|= (?:\w+\.)?tenant_id\b")


def _unbounded(plan: dict[str, Any], joined: str = "") -> Iterator[str]:
    conditions = " ".join(str(plan[name]) for name in CONDITIONS if name in plan)
    scans = "Scan" in plan["Node Type"] and "Relation Name" in plan
    if scans and not OF_TENANT.search(conditions + " ".join(_below(plan)) + joined):
        yield f"{plan['Relation Name']}: {conditions}"
    # The condition of a join bounds what it joins, and not what is below.
    if plan["Node Type"] not in KEEPS:
        joined = str(plan.get("Join Filter", "")) + str(plan.get("Hash Cond", ""))
    for child in plan.get("Plans", ()):
        yield from _unbounded(child, joined)


def _tables(plan: dict[str, Any]) -> Iterator[str]:
    if "Relation Name" in plan and "Scan" in plan["Node Type"]:
        yield str(plan["Relation Name"])
    for child in plan.get("Plans", ()):
        yield from _tables(child)


def _below(plan: dict[str, Any]) -> Iterator[str]:
    """What the bitmaps below a scan are made by."""
    for child in plan.get("Plans", ()):
        if "Bitmap" in child["Node Type"] or child["Node Type"] in ("BitmapOr", "BitmapAnd"):
            yield str(child.get("Index Cond", ""))
            yield from _below(child)


@pytest.mark.parametrize("name", sorted(each for each in STATEMENTS if not across_tenants(each)))
async def test_every_table_is_entered_by_a_tenant(planner: Connection, name: str) -> None:
    assert await unbounded(planner, STATEMENTS[name]) == [], STATEMENTS[name]


@pytest.mark.parametrize("name", sorted(each for each in STATEMENTS if across_tenants(each)))
async def test_nothing_is_excused_that_need_not_be(planner: Connection, name: str) -> None:
    assert await unbounded(planner, STATEMENTS[name]), "is of one tenant: excuse it no longer"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM payees AS z WHERE z.payee_id = $1",
        "SELECT 1 FROM payees AS z WHERE z.tenant_id = ANY($1)",
        # A second look at a table, under the same name.
        "SELECT (SELECT count(*) FROM payees AS z) FROM payees AS z WHERE z.tenant_id = $1",
        "SELECT 1 FROM escrows AS e JOIN payees AS z USING (payee_id) WHERE e.tenant_id = $1",
        "UPDATE payees SET state = 'x' WHERE payee_id = $1",
        "SELECT 1 FROM payees AS z JOIN escrows AS e ON e.tenant_id = z.tenant_id",
    ],
)
async def test_a_table_that_is_not_would_be_found(planner: Connection, statement: str) -> None:
    assert await unbounded(planner, statement)
