"""Units of work under fire: twins, rivals, shared balances, cut connections, clients that leave.

Two pools stand for two processes of the service. The stories are an operation's: load, decide with
the verbs of an escrow, commit, and again while somebody else was faster.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from uuid import uuid4

import asyncpg
import pytest

from service.domain.call import Call, Party
from service.domain.errors import (
    AmountAboveHeld,
    BooksRefused,
    Busy,
    DatabaseUnavailable,
    WrongState,
)
from service.domain.ledger import Kind, Part, Source
from service.domain.lifecycle import MilestoneEvent, PayeeState, ReleaseState
from service.domain.unit import UnitOfWork
from service.migrations import Connection
from service.operations.escrow_case import EscrowCase, open_case
from service.operations.house import House, rerun
from service.operations.verify_books import verify_books
from service.store.commit import write
from service.store.operations import Answered, read_timeline
from tests.postgres import Database, connected
from tests.records import NOW, TENANT, Deal, fund_deal, new_payee, new_unit

OPERATIONS = "SELECT key, count(*) FROM operations WHERE kind = $1 GROUP BY key"
BALANCE = "SELECT balance_minor FROM balances WHERE account = $1"
OF_THE_SERVICE = "datname = current_database() AND application_name = 'escrow'"
STOPPED = f"SELECT pid FROM pg_stat_activity WHERE {OF_THE_SERVICE} AND wait_event_type = 'Lock'"
KILL = "SELECT pg_terminate_backend(pid) FROM unnest($1::integer[]) AS pid"
KILL_ONE_AT_WORK = f"""
SELECT count(pg_terminate_backend(pid)) FROM (
    SELECT pid FROM pg_stat_activity WHERE {OF_THE_SERVICE} AND state = 'active'
    ORDER BY random() LIMIT 1
) AS victim"""

Verb = Callable[[EscrowCase], object]


@pytest.fixture
def houses(pools: list[asyncpg.Pool]) -> list[House]:
    return [House(pool, {}, lambda: NOW) for pool in pools]


@pytest.fixture
async def waiting_payee(pools: list[asyncpg.Pool]) -> Deal:
    """A deal whose payee cannot be paid yet, so that what is released waits in payable."""
    return await fund_for_waiting_payee(pools[0])


async def fund_for_waiting_payee(pool: asyncpg.Pool, amount_minor: int = 100_00) -> Deal:
    payee = new_payee(state=PayeeState.RESTRICTED)
    unit = new_unit()
    unit.put(payee)
    await write(pool, [unit])
    return await fund_deal(pool, payee=payee, amount_minor=amount_minor)


async def change(house: House, deal: Deal, key: str, verb: Verb, *, party: Party) -> bytes:
    """One operation on the deal's escrow, told by one key; its stored answer."""

    async def story(unit: UnitOfWork) -> bytes:
        case = await open_case(house, unit, deal.escrow.escrow_id)
        verb(case)
        unit.response = uuid4().bytes  # no two runs would answer the same
        await house.commit(unit)
        return unit.response

    try:
        return await rerun(house, Call(TENANT, "tests", party, key), verb.__name__, story)
    except Answered as answered:
        return answered.response


def by_itself(house: House) -> House:
    """A house with a lane of its own: its commits are shared with nobody's."""
    return House(house.pool, house.stripe, house.clock)


async def happens(look: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await look():
            await asyncio.sleep(0.01)


async def _all_done(owner: Connection, keys: list[str]) -> bool:
    return await times_done(owner, "release_milestone") == Counter(keys)


async def release(house: House, deal: Deal, key: str, amount_minor: int | None) -> bytes:
    def release_milestone(case: EscrowCase) -> None:
        case.release(
            case.milestone(deal.milestone.milestone_id),
            amount_minor,
            whole=MilestoneEvent.RELEASE,
            part=MilestoneEvent.RELEASE_PART,
        )

    return await change(house, deal, key, release_milestone, party=Party.PAYER)


async def transfer(house: House, deal: Deal, key: str) -> bytes:
    def request_transfer(case: EscrowCase) -> None:
        waiting = (r for r in case.records.releases if r.state is ReleaseState.WAITING)
        case.request_transfer(next(waiting))

    return await change(house, deal, key, request_transfer, party=Party.TIMER)


async def outcomes(calls: Sequence[Awaitable[bytes]]) -> list[bytes | type[BaseException]]:
    """What came of calls that were made side by side: an answer, or the kind of refusal."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    return [result if isinstance(result, bytes) else type(result) for result in results]


async def assert_books_hold(pool: asyncpg.Pool) -> None:
    report = await verify_books(pool)
    assert report.clean, [check for check in report.checks if check.breaches]


async def times_done(owner: Connection, operation: str) -> Counter[str]:
    return Counter({row["key"]: row["count"] for row in await owner.fetch(OPERATIONS, operation)})


async def test_200_twins_act_once_and_hear_the_same_bytes(
    houses: list[House], waiting_payee: Deal, owner: Connection
) -> None:
    twins = [release(houses[n % 2], waiting_payee, "the same", 30_00) for n in range(200)]

    answers = await asyncio.gather(*twins)

    assert len(set(answers)) == 1
    assert await times_done(owner, "release_milestone") == {"the same": 1}
    assert await owner.fetchval(BALANCE, waiting_payee.held) == 70_00
    assert await owner.fetchval(BALANCE, waiting_payee.payable) == 24_00
    await assert_books_hold(houses[0].pool)


async def test_double_clicks_with_ids_of_their_own_release_once(
    houses: list[House], waiting_payee: Deal, owner: Connection
) -> None:
    clicks = [release(houses[n % 2], waiting_payee, f"click {n}", None) for n in range(20)]

    heard = await outcomes(clicks)

    assert Counter(isinstance(each, bytes) for each in heard) == {True: 1, False: 19}
    assert {each for each in heard if not isinstance(each, bytes)} <= {WrongState, Busy}
    assert len(await times_done(owner, "release_milestone")) == 1
    assert await owner.fetchval(BALANCE, waiting_payee.payable) == 80_00
    await assert_books_hold(houses[0].pool)


async def test_100_rivals_on_one_escrow_each_release_once_or_not_at_all(
    houses: list[House], owner: Connection
) -> None:
    deal = await fund_for_waiting_payee(houses[0].pool, amount_minor=60_07)
    rivals = [release(houses[n % 2], deal, f"rival {n}", 1_00) for n in range(100)]

    heard = await outcomes(rivals)

    done = [f"rival {n}" for n, each in enumerate(heard) if isinstance(each, bytes)]
    assert {each for each in heard if not isinstance(each, bytes)} <= {AmountAboveHeld, Busy}
    assert await times_done(owner, "release_milestone") == Counter(done)
    assert 0 < len(done) <= 60
    assert Busy in heard or len(done) == 60  # nobody was refused for a neighbour's luck
    assert await owner.fetchval(BALANCE, deal.held) == 60_07 - len(done) * 1_00
    timeline = await read_timeline(
        houses[0].pool, TENANT, deal.escrow.escrow_id, after_version=0, limit=200
    )
    assert [row.version for row in timeline] == list(range(1, len(done) + 2))
    assert sorted(row.key for row in timeline[1:]) == sorted(done)
    await assert_books_hold(houses[0].pool)


async def test_many_escrows_credit_and_debit_one_payees_balance(
    houses: list[House], owner: Connection
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
            if part:  # the last part of each stays
                await transfer(houses[part % 2], deal, f"{number}.{part}")

    async def rob(house: House) -> None:
        nonlocal robberies
        unit = new_unit("rob")
        part = Part(first.names(), {"amount": 20 * 80_00 + 1})  # more than ever is there
        unit.post(Kind.TRANSFER_REQUESTED, Source("test", uuid4().hex), "USD", [part])
        with pytest.raises(BooksRefused):
            await house.commit(unit)
        robberies += 1

    await asyncio.gather(*(release_and_transfer(deal, n) for n, deal in enumerate(deals)))

    assert len(await times_done(owner, "release_milestone")) == 80
    assert len(await times_done(owner, "request_transfer")) == 60
    assert (robberies, await times_done(owner, "rob")) == (80, {})
    assert await owner.fetchval(BALANCE, first.payable) == 20 * 20_00
    await assert_books_hold(houses[0].pool)


async def test_units_that_touch_the_same_accounts_in_any_order_never_deadlock(
    pools: list[asyncpg.Pool], owner: Connection
) -> None:
    """Straight to commit, so that a deadlock would be heard and not run again."""
    deals = [await fund_for_waiting_payee(pools[0]) for _ in range(2)]

    def pay_both(number: int) -> UnitOfWork:
        unit = new_unit()
        for deal in deals[:: 1 if number % 2 else -1]:
            amounts = {"payee_share": 1, "payee_fee": 0, "payer_fee": 0}
            source = Source("test", f"{number} {deal.payee.payee_id}")
            unit.post(Kind.RELEASED, source, "USD", [Part(deal.names(), amounts)])
        return unit

    await asyncio.gather(*(write(pools[n % 2], [pay_both(n)]) for n in range(100)))

    for deal in deals:
        assert await owner.fetchval(BALANCE, deal.payable) == 100


# Connections that are cut, and clients that leave, in the middle of a commit.


@asynccontextmanager
async def stopped_commits(
    database: Database, owner: Connection, account: str, count: int
) -> AsyncIterator[Callable[[], Awaitable[list[int]]]]:
    """Holds the balance of an account, so that commits that change it stop in their middle.

    Yields what waits until so many have stopped, and tells the servers that run them.
    """

    async def wait() -> list[int]:
        async with asyncio.timeout(10):
            while len(stopped := await owner.fetch(STOPPED)) < count:  # noqa: ASYNC110  in PostgreSQL
                await asyncio.sleep(0.005)
        return [row["pid"] for row in stopped]

    async with connected(database.owner_dsn) as holder, holder.transaction():
        await holder.execute(f"{BALANCE} FOR UPDATE", account)
        yield wait


async def deals_of_one_payee(pool: asyncpg.Pool, count: int) -> list[Deal]:
    first = await fund_for_waiting_payee(pool)
    await release(House(pool, {}, lambda: NOW), first, "before", 10_00)  # the row exists
    return [await fund_deal(pool, payee=first.payee) for _ in range(count)]


async def test_a_commit_whose_connection_is_cut_in_the_middle_wrote_nothing(
    database: Database, houses: list[House], owner: Connection
) -> None:
    deals = await deals_of_one_payee(houses[0].pool, 20)
    payable = deals[0].payable

    def ask() -> list[Awaitable[bytes]]:
        return [
            release(by_itself(houses[n % 2]), deal, f"cut {n}", None)
            for n, deal in enumerate(deals)
        ]

    async with stopped_commits(database, owner, payable, len(deals)) as all_stopped:
        asked = asyncio.create_task(outcomes(ask()))
        servers = await all_stopped()
        await owner.execute(KILL, servers[:10])
    heard = await asked

    done = [f"cut {n}" for n, each in enumerate(heard) if isinstance(each, bytes)]
    assert Counter(type(each) for each in heard) == {bytes: 10, type: 10}
    assert {each for each in heard if not isinstance(each, bytes)} == {DatabaseUnavailable}
    assert await times_done(owner, "release_milestone") == Counter(["before", *done])
    assert await owner.fetchval(BALANCE, payable) == 8_00 + 10 * 80_00
    await assert_books_hold(houses[0].pool)

    again = await outcomes(ask())  # the same requests, with the same ids

    assert [new for new, old in zip(again, heard, strict=True) if isinstance(old, bytes)] == [
        old for old in heard if isinstance(old, bytes)
    ]
    every_key = [f"cut {n}" for n in range(20)]
    assert await times_done(owner, "release_milestone") == Counter(["before", *every_key])
    assert await owner.fetchval(BALANCE, payable) == 8_00 + 20 * 80_00
    await assert_books_hold(houses[0].pool)


async def test_a_client_that_leaves_in_the_middle_of_a_commit_leaves_it_whole(
    database: Database, houses: list[House], owner: Connection
) -> None:
    deals = await deals_of_one_payee(houses[0].pool, 6)

    async with stopped_commits(database, owner, deals[0].payable, len(deals)) as all_stopped:
        clients = [
            asyncio.create_task(release(by_itself(houses[0]), deal, f"client {n}", None))
            for n, deal in enumerate(deals)
        ]
        await all_stopped()
        for client in clients[:3]:
            client.cancel()
        gone = await asyncio.gather(*clients[:3], return_exceptions=True)
    stayed = await asyncio.gather(*clients[3:])

    assert [type(each) for each in gone] == [asyncio.CancelledError] * 3
    assert [len(answer) for answer in stayed] == [16] * 3
    every_client = [f"client {n}" for n in range(6)]  # what was under way is done, though not told
    await happens(lambda: _all_done(owner, ["before", *every_client]))
    await assert_books_hold(houses[0].pool)


async def test_a_storm_of_cut_connections_loses_and_doubles_nothing(
    database: Database, houses: list[House], owner: Connection
) -> None:
    """Connections are cut at random, also between a commit and its answer; clients ask again."""
    deals = await deals_of_one_payee(houses[0].pool, 40)
    answers: dict[str, bytes] = {}
    outages = 0

    async def client(number: int, deal: Deal) -> None:
        nonlocal outages
        for part in range(3):
            key = f"storm {number}.{part}"
            for house in cycle(houses):
                try:
                    answers[key] = await release(house, deal, key, 25_00)
                    break
                except DatabaseUnavailable:
                    outages += 1

    async def lightning() -> None:
        async with connected(database.owner_dsn) as admin:
            while True:
                await admin.fetchval(KILL_ONE_AT_WORK)
                await asyncio.sleep(0.01)

    storm = asyncio.create_task(lightning())
    await asyncio.gather(*(client(n, deal) for n, deal in enumerate(deals)))
    storm.cancel()
    await asyncio.gather(storm, return_exceptions=True)

    await settled(houses)
    keys = [f"storm {n}.{part}" for n in range(40) for part in range(3)]
    assert outages > 0
    assert await times_done(owner, "release_milestone") == Counter(["before", *keys])
    assert await owner.fetchval(BALANCE, deals[0].payable) == 8_00 + 40 * 60_00
    for key in keys:
        number = int(key.split()[1].partition(".")[0])
        assert await release(houses[0], deals[number], key, 25_00) == answers[key]
    await assert_books_hold(houses[0].pool)


async def settled(houses: list[House]) -> None:
    """Waits until no pool hands out a connection that the storm has cut."""
    for house in houses:
        for _ in range(20):
            try:
                await asyncio.gather(*(house.pool.fetchval("SELECT 1") for _ in range(10)))
            except DatabaseUnavailable:
                continue
            break
