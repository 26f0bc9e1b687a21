"""Units of work under fire: twins, rivals, shared balances, cut connections, clients that leave.

Two pools stand for two processes of the service. The stories are an operation's: load, decide with
the verbs of an escrow, commit, and again while somebody else was faster.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from itertools import cycle
from uuid import uuid4

import pytest

from service.domain.errors import (
    AmountAboveHeld,
    BooksRefused,
    Busy,
    DatabaseUnavailable,
    WrongState,
)
from service.domain.journal import Part, Source
from service.domain.postings import JournalKind
from service.domain.unit import UnitOfWork
from service.migrations import Connection
from service.runtime import Runtime
from service.store.commit import Overtaken, write
from service.store.lane import PATIENCE_S
from service.store.operations import TimelineRow, find_timeline
from service.store.pool import ServicePool
from tests.postgres import Database, connected
from tests.records import TENANT, Deal, fund_deal, new_unit
from tests.service.store.stories import (
    BALANCE,
    CUT,
    OF_THE_SERVICE,
    Committing,
    alone,
    assert_books_hold,
    deals_of_one_payee,
    fund_for_waiting_payee,
    open_house,
    outcomes,
    release,
    shared,
    stopped_commits,
    times_done,
    transfer,
)

CUT_ONE_AT_WORK = f"""
SELECT count(pg_terminate_backend(pid)) FROM (
    SELECT pid FROM pg_stat_activity WHERE {OF_THE_SERVICE} AND state = 'active'
    ORDER BY random() LIMIT 1
) AS victim"""
# Long enough that what strikes every hundredth of a second finds some of them in their middle.
COMMITS_TAKE_A_WHILE = """
CREATE FUNCTION take_a_while() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(0.03); RETURN NULL; END';
CREATE TRIGGER take_a_while AFTER INSERT ON operations
    FOR EACH STATEMENT EXECUTE FUNCTION take_a_while()"""


@pytest.fixture
def houses(pools: list[ServicePool]) -> list[Runtime]:
    return [open_house(pool) for pool in pools]


@pytest.mark.parametrize("commit", [alone, shared])
async def test_200_twins_act_once_and_hear_the_same_bytes(
    houses: list[Runtime], owner: Connection, commit: Committing
) -> None:
    deal = await fund_for_waiting_payee(houses[0].pool)
    twins = [release(houses[n % 2], deal, "the same", 30_00, commit=commit) for n in range(200)]

    answers = await asyncio.gather(*twins)

    assert len(set(answers)) == 1
    assert await times_done(owner, "release_milestone") == {"the same": 1}
    assert await owner.fetchval(BALANCE, deal.held) == 70_00
    assert await owner.fetchval(BALANCE, deal.payable) == 24_00
    await assert_books_hold(houses[0].pool)


async def test_double_clicks_with_ids_of_their_own_release_once(
    houses: list[Runtime], owner: Connection
) -> None:
    deal = await fund_for_waiting_payee(houses[0].pool)
    clicks = [release(houses[n % 2], deal, f"click {n}", None) for n in range(20)]

    heard = await outcomes(clicks)

    assert Counter(isinstance(each, bytes) for each in heard) == {True: 1, False: 19}
    assert {each for each in heard if not isinstance(each, bytes)} <= {WrongState, Busy}
    assert len(await times_done(owner, "release_milestone")) == 1
    assert await owner.fetchval(BALANCE, deal.payable) == 80_00
    await assert_books_hold(houses[0].pool)


async def test_100_rivals_on_one_escrow_each_release_once_or_not_at_all(
    houses: list[Runtime], owner: Connection
) -> None:
    deal = await fund_for_waiting_payee(houses[0].pool, amount_minor=30_07)
    rivals = [release(houses[n % 2], deal, f"rival {n}", 1_00) for n in range(100)]

    heard = await outcomes(rivals)

    done = [f"rival {n}" for n, each in enumerate(heard) if isinstance(each, bytes)]
    assert {each for each in heard if not isinstance(each, bytes)} <= {AmountAboveHeld, Busy}
    assert await times_done(owner, "release_milestone") == Counter(done)
    assert 0 < len(done) <= 30
    assert Busy in heard or len(done) == 30  # nobody was refused while there was money
    assert await owner.fetchval(BALANCE, deal.held) == 30_07 - len(done) * 1_00
    found = await find_timeline(
        houses[0].pool, TENANT, deal.escrow.escrow_id, after_version=0, limit=200
    )
    timeline = [row for row in found if isinstance(row, TimelineRow)]
    assert [row.version for row in timeline] == list(range(1, len(done) + 2))
    assert sorted(row.key for row in timeline[1:]) == sorted(done)
    await assert_books_hold(houses[0].pool)


async def test_many_escrows_credit_and_debit_one_payees_balance(
    houses: list[Runtime], owner: Connection
) -> None:
    """Releases of many payers meet in one row, while worker after worker takes from it."""
    first = await fund_for_waiting_payee(houses[0].pool)
    deals = [first]
    deals += [await fund_deal(houses[0].pool, payee=first.payee) for _ in range(19)]
    robberies = 0

    async def release_and_transfer(deal: Deal, number: int) -> None:
        for part in range(4):
            await release(houses[number % 2], deal, f"{number}.{part}", 25_00)
            await rob(houses[number % 2])
            if part:  # the first part of each stays
                await transfer(houses[part % 2], deal, f"{number}.{part}")

    async def rob(runtime: Runtime) -> None:
        nonlocal robberies
        unit = new_unit("rob")
        part = Part(first.names(), {"amount": 20 * 80_00 + 1})  # more than ever is there
        unit.post(JournalKind.TRANSFER_REQUESTED, Source("test", uuid4().hex), "USD", [part])
        with pytest.raises(BooksRefused):
            await runtime.commit(unit)
        robberies += 1

    await asyncio.gather(*(release_and_transfer(deal, n) for n, deal in enumerate(deals)))

    assert len(await times_done(owner, "release_milestone")) == 80
    assert len(await times_done(owner, "request_transfer")) == 60
    assert (robberies, await times_done(owner, "rob")) == (80, {})
    assert await owner.fetchval(BALANCE, first.payable) == 20 * 20_00
    await assert_books_hold(houses[0].pool)


async def test_units_that_touch_the_same_accounts_in_any_order_never_deadlock(
    pools: list[ServicePool], owner: Connection
) -> None:
    """Straight to the database, so that a deadlock would be heard and not run again."""
    deals = [await fund_for_waiting_payee(pools[0]) for _ in range(2)]

    def pay_both(number: int) -> UnitOfWork:
        unit = new_unit()
        for deal in deals[:: 1 if number % 2 else -1]:
            pay(deal, unit)
        return unit

    await asyncio.gather(*(write(pools[n % 2], [pay_both(n)]) for n in range(100)))

    for deal in deals:
        assert await owner.fetchval(BALANCE, deal.payable) == 100


async def test_shared_commits_lock_their_rows_in_one_order(pools: list[ServicePool]) -> None:
    """Whatever the order in which the units came to each process."""
    deals = [await fund_deal(pools[0]) for _ in range(8)]

    def change_all(deals: Sequence[Deal]) -> list[UnitOfWork]:
        units = []
        for deal in deals:
            unit = new_unit()
            unit.put(replace(deal.escrow))
            units.append(unit)
        return units

    async def change(pool: ServicePool, deals: Sequence[Deal]) -> BaseException | None:
        try:
            await write(pool, change_all(deals))
        except Overtaken as overtaken:
            return overtaken.__cause__
        return None

    for _ in range(15):
        both = await asyncio.gather(change(pools[0], deals), change(pools[1], deals[::-1]))
        (reason,) = (each for each in both if each is not None)
        assert "escrows changed since they were read" in str(reason)
        for deal in deals:
            deal.escrow.version += 1


# Connections that are cut, and clients that leave, in the middle of a commit.


def keys_of(heard: Sequence[object], name: str) -> list[str]:
    """The keys of the calls that were answered, of those that were made in this order."""
    return [f"{name} {n}" for n, each in enumerate(heard) if isinstance(each, bytes)]


async def test_a_commit_whose_connection_is_cut_in_the_middle_wrote_nothing(
    database: Database, houses: list[Runtime], owner: Connection
) -> None:
    deals = await deals_of_one_payee(houses[0].pool, 20)
    payable = deals[0].payable

    def ask() -> list[Awaitable[bytes]]:
        return [
            release(houses[n % 2], deal, f"cut {n}", None, commit=alone)
            for n, deal in enumerate(deals)
        ]

    async with stopped_commits(database, owner, payable) as stopped:
        asked = asyncio.create_task(outcomes(ask()))
        await owner.execute(CUT, (await stopped(20))[:10])
    heard = await asked

    done = keys_of(heard, "cut")
    assert len(done) == 10
    assert {each for each in heard if not isinstance(each, bytes)} == {DatabaseUnavailable}
    assert await times_done(owner, "release_milestone") == Counter(["before", *done])
    assert await owner.fetchval(BALANCE, payable) == 8_00 + 10 * 80_00
    await assert_books_hold(houses[0].pool)

    again = await outcomes(ask())  # the same requests, with the same ids

    assert keys_of(again, "cut") == [f"cut {n}" for n in range(20)]
    assert all(new == old for new, old in zip(again, heard, strict=True) if isinstance(old, bytes))
    assert await times_done(owner, "release_milestone") == Counter(
        ["before", *keys_of(again, "cut")]
    )
    assert await owner.fetchval(BALANCE, payable) == 8_00 + 20 * 80_00
    await assert_books_hold(houses[0].pool)


async def test_a_shared_commit_that_is_cut_in_the_middle_wrote_none_of_its_units(
    database: Database, houses: list[Runtime], owner: Connection
) -> None:
    deals = await deals_of_one_payee(houses[0].pool, 10)
    units = [pay(deal, new_unit("pay", key=f"unit {n}")) for n, deal in enumerate(deals)]

    async with stopped_commits(database, owner, deals[0].payable) as stopped:
        commits = asyncio.gather(*map(houses[0].commit, units), return_exceptions=True)
        await owner.execute(CUT, await stopped(1))
        told = await commits

    assert [type(each) for each in told] == [DatabaseUnavailable] * 10
    assert await times_done(owner, "pay") == {}
    await asyncio.gather(*map(houses[1].commit, units))
    assert await times_done(owner, "pay") == Counter(unit.call.key for unit in units)
    assert await owner.fetchval(BALANCE, deals[0].payable) == 8_00 + 10


def pay(deal: Deal, unit: UnitOfWork) -> UnitOfWork:
    """Adds the smallest release there is."""
    amounts = {"payee_share": 1, "payee_fee": 0, "payer_fee": 0}
    source = Source("test", f"{unit.call.key} {deal.escrow.escrow_id}")
    unit.post(JournalKind.RELEASED, source, "USD", [Part(deal.names(), amounts)])
    return unit


async def test_a_client_that_leaves_in_the_middle_of_its_commit_leaves_nothing(
    database: Database, houses: list[Runtime], owner: Connection
) -> None:
    deals = await deals_of_one_payee(houses[0].pool, 6)

    async with stopped_commits(database, owner, deals[0].payable) as stopped:
        clients = [
            asyncio.create_task(release(houses[0], deal, f"client {n}", None, commit=alone))
            for n, deal in enumerate(deals)
        ]
        await stopped(len(deals))
        for client in clients[:3]:
            client.cancel()
        gone = await asyncio.gather(*clients[:3], return_exceptions=True)
    stayed = await asyncio.gather(*clients[3:])

    assert [type(each) for each in gone] == [asyncio.CancelledError] * 3
    assert [len(answer) for answer in stayed] == [16] * 3
    keys = ["before", "client 3", "client 4", "client 5"]
    assert await times_done(owner, "release_milestone") == Counter(keys)
    await assert_books_hold(houses[0].pool)


async def test_a_client_that_leaves_a_shared_commit_is_in_it_whole_or_not_at_all(
    database: Database, houses: list[Runtime], owner: Connection
) -> None:
    deals = await deals_of_one_payee(houses[0].pool, 4)

    def start(n: int) -> asyncio.Task[bytes]:
        return asyncio.create_task(release(houses[0], deals[n], f"client {n}", None))

    async with stopped_commits(database, owner, deals[0].payable) as stopped:
        on_the_way = start(0)
        await stopped(1)
        waiting, stays = start(1), start(2)
        while len(houses[0].commits._lanes[""]._waiting) < 2:  # noqa: ASYNC110  a lane tells nobody
            await asyncio.sleep(0.01)
        on_the_way.cancel()
        waiting.cancel()
        gone = await asyncio.gather(on_the_way, waiting, return_exceptions=True)
    await stays

    assert [type(each) for each in gone] == [asyncio.CancelledError] * 2
    keys = ["before", "client 0", "client 2"]
    assert await times_done(owner, "release_milestone") == Counter(keys)
    await assert_books_hold(houses[0].pool)


async def test_a_storm_of_cut_connections_loses_and_doubles_nothing(
    database: Database, houses: list[Runtime], owner: Connection
) -> None:
    """Connections are cut at random, also between a commit and its answer; clients ask again."""
    deals = await deals_of_one_payee(houses[0].pool, 40)
    await owner.execute(COMMITS_TAKE_A_WHILE)
    answers: dict[str, bytes] = {}
    outages = 0

    async def client(number: int, deal: Deal) -> None:
        nonlocal outages
        for part in range(3):
            key = f"storm {number}.{part}"
            for runtime in cycle(houses):
                try:
                    answers[key] = await release(runtime, deal, key, 25_00)
                    break
                except DatabaseUnavailable:
                    outages += 1

    async def lightning() -> None:
        async with connected(database.owner_dsn) as admin:
            while outages < 100:  # then it lets the clients finish
                await admin.fetchval(CUT_ONE_AT_WORK)
                await asyncio.sleep(0.01)

    storm = asyncio.create_task(lightning())
    await asyncio.gather(*(client(n, deal) for n, deal in enumerate(deals)))
    storm.cancel()
    await asyncio.gather(storm, return_exceptions=True)

    await settled(houses)
    keys = [f"storm {n}.{part}" for n in range(len(deals)) for part in range(3)]
    assert outages > 0
    assert await times_done(owner, "release_milestone") == Counter(["before", *keys])
    assert await owner.fetchval(BALANCE, deals[0].payable) == 8_00 + len(deals) * 60_00
    for key in keys:
        number = int(key.split()[1].partition(".")[0])
        assert await release(houses[0], deals[number], key, 25_00) == answers[key]
    await assert_books_hold(houses[0].pool)


async def settled(houses: list[Runtime]) -> None:
    """Waits until no pool hands out a connection that the storm has cut."""
    for runtime in houses:
        for _ in range(20):
            try:
                await asyncio.gather(*(runtime.pool.fetchval("SELECT 1") for _ in range(10)))
            except DatabaseUnavailable:
                continue
            break


async def test_a_commit_that_hangs_is_overtaken(houses: list[Runtime], database: Database) -> None:
    """Somebody has locked a row, in psql; whoever touches others is not to wait for that."""
    runtime = houses[0]
    locked, free = new_unit(key="locked"), new_unit(key="free")
    for unit in (locked, free):
        unit.put((await fund_deal(runtime.pool)).escrow)
    (escrow,) = locked.records.values()
    async with connected(database.owner_dsn) as psql, psql.transaction():
        await psql.execute("SELECT FROM escrows WHERE escrow_id = $1 FOR UPDATE", escrow.escrow_id)
        hangs = asyncio.create_task(runtime.commit(locked))
        await asyncio.sleep(1.1 * PATIENCE_S)

        async with asyncio.timeout(5):
            await runtime.commit(free)

        assert not hangs.done()
    await hangs
