"""Units that are committed at the same time share one statement, and nothing else."""

import asyncio

from service.domain.errors import BooksRefused
from service.domain.journal import Part, Source
from service.domain.postings import JournalKind
from service.domain.unit import UnitOfWork
from service.store.commit import Commits, Overtaken, write
from service.store.pool import ServicePool
from tests.records import fund_deal, new_unit

TRANSACTIONS = "SELECT count(DISTINCT xmin::text) FROM operations WHERE key LIKE 'shared %'"
DONE = "SELECT key FROM operations WHERE key LIKE 'shared %'"


async def new_units(pool: ServicePool, count: int) -> list[UnitOfWork]:
    """Units that change an escrow each."""
    units = []
    for number in range(count):
        deal = await fund_deal(pool)
        unit = new_unit(key=f"shared {number}")
        unit.put(deal.escrow)
        units.append(unit)
    return units


def overdraw(unit: UnitOfWork) -> None:
    """A transfer of what the payee does not have."""
    part = Part({"payee": "pye_of_nobody"}, {"amount": 1})
    unit.post(JournalKind.TRANSFER_REQUESTED, Source("effect", f"{unit.call.key}:1"), "USD", [part])


async def all_told(pool: ServicePool, units: list[UnitOfWork]) -> list[type | None]:
    commits = Commits(pool)
    told = await asyncio.gather(*map(commits.commit, units), return_exceptions=True)
    return [None if each is None else type(each) for each in told]


async def done(pool: ServicePool) -> set[str]:
    return {row["key"] for row in await pool.fetch(DONE)}


async def test_units_of_one_moment_share_a_commit(pool: ServicePool) -> None:
    units = await new_units(pool, 20)

    assert await all_told(pool, units) == [None] * 20

    assert await done(pool) == {unit.call.key for unit in units}
    assert await pool.fetchval(TRANSACTIONS) == 1


async def test_nobody_is_refused_for_a_neighbours_mistake(pool: ServicePool) -> None:
    units = await new_units(pool, 12)
    overdraw(units[3])
    assert units[7].escrow is not None
    units[7].escrow.version += 5  # decided on a version that was never there

    told = await all_told(pool, units)

    expected: list[type | None] = [None] * 12
    expected[3], expected[7] = BooksRefused, Overtaken
    assert told == expected
    assert await done(pool) == {u.call.key for n, u in enumerate(units) if n not in (3, 7)}


async def test_units_that_touch_the_same_never_share(pool: ServicePool) -> None:
    """Two changes of one escrow, read in the same version: the second is overtaken."""
    units = await new_units(pool, 3)
    rival = new_unit(key="shared rival")
    assert units[0].escrow is not None
    rival.records, rival.escrow = dict(units[0].records), units[0].escrow

    told = await all_told(pool, [*units, rival])

    assert told == [None, None, None, Overtaken]
    assert "shared rival" not in await done(pool)


async def test_changes_of_one_balance_are_summed(pool: ServicePool) -> None:
    deal = await fund_deal(pool)
    units = []
    for number in range(5):
        unit = new_unit(key=f"shared {number}")
        names = {"milestone": "mst_of_all"}
        part = Part(names, {"amount": 100, "payer_fee": 5})
        source = Source("payment", f"pay_{number}")
        unit.post(JournalKind.PAYMENT_SUCCEEDED, source, deal.escrow.currency, [part])
        units.append(unit)

    assert await all_told(pool, units) == [None] * 5

    statement = "SELECT balance_minor FROM balances WHERE account = 'liab:escrow:mst_of_all:held'"
    assert await pool.fetchval(statement) == 500
    assert await pool.fetchval(TRANSACTIONS) == 1


async def test_one_unit_alone_is_one_statement(pool: ServicePool) -> None:
    (unit,) = await new_units(pool, 1)

    await write(pool, [unit])

    assert await done(pool) == {"shared 0"}
