"""Loads of one moment share a statement, and each gets its own row of it."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from service.domain.errors import DatabaseUnavailable
from service.store.commit import write
from service.store.escrows import find_escrow, load_escrow
from service.store.operations import Answered
from service.store.pool import ServicePool
from service.store.shared_loads import IN_ORDER, asked
from tests.postgres import Database, connected
from tests.records import TENANT, fund_deal, new_unit

# Tells each who asks in which transaction it was answered.
WHO = f"""\
SELECT q.name, pg_current_xact_id()::text AS transaction
FROM {asked({"name": "text"})} {IN_ORDER}"""
DIVIDE = f"SELECT 12 / q.divisor AS quotient FROM {asked({'divisor': 'integer'})} {IN_ORDER}"

CUT = """\
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE query LIKE '%pg_sleep(30)%' AND state = 'active' AND pid <> pg_backend_pid()"""


async def test_loads_of_one_moment_share_a_statement_and_keep_their_order(
    pool: ServicePool,
) -> None:
    names = [f"asked {n}" for n in range(20)]

    rows = await asyncio.gather(*(pool.loads.row(WHO, name) for name in names))

    assert [row["name"] for row in rows] == names
    assert len({row["transaction"] for row in rows}) == 1


async def test_who_comes_later_is_asked_about_later(pool: ServicePool) -> None:
    """What is read was read after it was asked for: nobody joins a statement under way."""
    first = asyncio.create_task(pool.loads.row(WHO, "first"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = await asyncio.gather(*(pool.loads.row(WHO, f"later {n}") for n in range(3)))

    transactions = [row["transaction"] for row in later]
    assert len(set(transactions)) == 1
    assert (await first)["transaction"] != transactions[0]


async def test_a_load_that_fails_costs_no_neighbour_its_own(pool: ServicePool) -> None:
    loads = (pool.loads.row(DIVIDE, divisor) for divisor in (1, 0, 4, "no number"))

    one, two, three, four = await asyncio.gather(*loads, return_exceptions=True)

    assert isinstance(one, asyncpg.Record)
    assert one["quotient"] == 12
    assert isinstance(two, asyncpg.DivisionByZeroError)
    assert isinstance(three, asyncpg.Record)
    assert three["quotient"] == 3
    assert isinstance(four, asyncpg.DataError)


async def test_an_outage_is_told_to_everybody(pool: ServicePool) -> None:
    await pool.close()

    told = await asyncio.gather(
        *(pool.loads.row(WHO, f"asked {n}") for n in range(3)), return_exceptions=True
    )

    assert [type(each) for each in told] == [DatabaseUnavailable] * 3


async def test_a_connection_cut_in_the_middle_is_told_and_the_next_load_works(
    pool: ServicePool, database: Database
) -> None:
    slow = f"SELECT pg_sleep(30)::text AS slept, q.name FROM {asked({'name': 'text'})} {IN_ORDER}"
    waiting = [asyncio.create_task(pool.loads.row(slow, f"asked {n}")) for n in range(3)]
    async with connected(database.owner_dsn) as owner:
        while not await owner.fetch(CUT):  # noqa: ASYNC110  nobody tells when it has begun
            await asyncio.sleep(0.01)

    told = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(each) for each in told] == [DatabaseUnavailable] * 3
    assert (await pool.loads.row(WHO, "afterwards"))["name"] == "afterwards"


async def test_who_leaves_takes_nobody_along(pool: ServicePool) -> None:
    leaves, stays = (asyncio.create_task(pool.loads.row(WHO, name)) for name in ("one", "two"))
    await asyncio.sleep(0)
    leaves.cancel()

    assert (await stays)["name"] == "two"
    with pytest.raises(asyncio.CancelledError):
        await leaves


async def test_found_and_missing_escrows_and_twins_load_side_by_side(pool: ServicePool) -> None:
    deals = [await fund_deal(pool) for _ in range(3)]
    done = new_unit(key="done before")
    done.put(deals[2].escrow)
    done.response = b"the answer"
    await write(pool, [done])

    found, missing, other, twin = await asyncio.gather(
        load_escrow(pool, new_unit(key="one"), deals[0].escrow.escrow_id),
        load_escrow(pool, new_unit(key="two"), uuid4()),
        load_escrow(pool, new_unit(key="three"), deals[1].escrow.escrow_id),
        load_escrow(pool, new_unit(key="done before"), deals[2].escrow.escrow_id),
        return_exceptions=True,
    )

    assert missing is None
    assert isinstance(twin, Answered)
    assert twin.response == b"the answer"
    for told, deal in ((found, deals[0]), (other, deals[1])):
        assert not isinstance(told, BaseException)
        assert told is not None
        assert told.escrow == deal.escrow
        assert told.milestones == [deal.milestone]
    assert await find_escrow(pool, TENANT, uuid4()) is None
