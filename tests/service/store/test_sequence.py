"""The one sequence of a tenant: dense, in order, nothing twice, and nobody is waited for."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Union
from uuid import UUID, uuid4

import asyncpg
import pytest

from service.migrations import Connection, load_migrations
from service.store.checks.table import CHECKS
from service.store.pool import ServicePool
from service.store.sequence import Unsealed, find_unsealed, seal_operations
from tests.postgres import Database, connected
from tests.records import NOW, TENANT, later
from tests.service.store.pools import service_pool

MOST = 1_000
INSERT = """
INSERT INTO operations (tenant_id, operation_id, kind, caller, party, key, request_hash, escrow_id,
    escrow_version, transitions, note, trace_id, occurred_at)
VALUES ($1, $2, 'test', 'tests', 'service', $2::uuid::text, '', $3, $4, '[]', '', '', $5)"""
POSITIONS = """
SELECT p.operation_id FROM positions AS p WHERE p.tenant_id = $1 ORDER BY p.position"""
# Connection is a string when it runs.
Writer = Union[asyncpg.Pool, asyncpg.pool.PoolConnectionProxy, Connection]  # noqa: UP007
MOVE = "UPDATE operations SET occurred_at = $1 WHERE "
TELLING = ("sequence", "sequence of escrows")


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[ServicePool]:
    async with service_pool(database, size=8) as pool:
        yield pool


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    async with connected(database.owner_dsn) as connection:
        yield connection


async def commit(
    connection: Writer,
    escrow_id: UUID | None = None,
    version: int | None = None,
    *,
    tenant: str = TENANT,
) -> UUID:
    operation_id = uuid4()
    await connection.execute(INSERT, tenant, operation_id, escrow_id, version, NOW)
    return operation_id


async def sealed(pool: asyncpg.Pool, *, most: int = MOST) -> list[UUID]:
    """Seals what can be sealed; all that is, in its order. The checks of verify find it right."""
    while await seal_operations(pool, TENANT, most=most):
        pass
    for check in CHECKS:
        if check.name in TELLING:
            assert await pool.fetch(check.breaches) == [], check.name
    return [row[0] for row in await pool.fetch(POSITIONS, TENANT)]


@pytest.mark.parametrize("ends", ["commit", "rollback"])
async def test_a_writer_that_stalls_delays_nobody_and_is_not_missed(
    pool: ServicePool, database: Database, ends: str
) -> None:
    async with connected(database.owner_dsn) as slow:
        stalled = slow.transaction()
        await stalled.start()
        late = await commit(slow)
        others = [await commit(pool) for _ in range(3)]
        assert await sealed(pool) == others
        others.append(await commit(pool))
        assert await sealed(pool) == others
        assert await find_unsealed(pool, [TENANT, "neighbour"]) == []
        await getattr(stalled, ends)()

    assert await find_unsealed(pool, [TENANT]) == ([Unsealed(TENANT)] if ends == "commit" else [])
    newest = await commit(pool)
    assert await sealed(pool) == [*others, *([late] if ends == "commit" else []), newest]


async def test_steps_that_end_in_the_middle_go_on_there(
    pool: ServicePool, database: Database
) -> None:
    """Each ends within a transaction of three, beside one that is open."""
    async with connected(database.owner_dsn) as slow, connected(database.owner_dsn) as slower:
        before = [await commit(pool) for _ in range(3)]
        first, second = slow.transaction(), slower.transaction()
        await first.start()
        late = [await commit(slow) for _ in range(3)]
        await second.start()
        later = [await commit(slower) for _ in range(3)]
        between = [await commit(pool) for _ in range(4)]
        assert await sealed(pool, most=2) == [*before, *between]
        after = [await commit(pool) for _ in range(3)]
        assert await seal_operations(pool, TENANT, most=1) == 1  # which leaves two of them
        await second.commit()
        seen = await sealed(pool, most=2)
        assert set(seen[8:]) == {*later, *after[1:]}
        await first.commit()

    seen = await sealed(pool, most=2)
    assert seen[:8] == [*before, *between, after[0]]
    assert set(seen) == {*before, *late, *later, *between, *after}
    assert len(seen) == 16


async def test_a_process_that_seals_is_not_waited_for(
    pool: ServicePool, database: Database
) -> None:
    await commit(pool)
    assert await seal_operations(pool, TENANT, most=MOST) == 1
    await commit(pool)
    async with connected(database.owner_dsn) as other, other.transaction():
        await other.execute("SELECT seal_operations($1, 10)", TENANT)
        await commit(pool)

        assert await asyncio.wait_for(seal_operations(pool, TENANT, most=MOST), 5) == 0

    assert len(await sealed(pool)) == 3


async def test_many_writers_and_two_sealers_make_one_sequence(pool: ServicePool) -> None:
    """Writers that take their time between the insert and the commit, or take it back."""
    random = Random(17)
    done = asyncio.Event()

    async def write(escrow_id: UUID) -> list[UUID]:
        written: list[UUID] = []
        while len(written) < 10:
            async with pool.acquire() as connection:
                transaction = connection.transaction()
                await transaction.start()
                operation_id = await commit(connection, escrow_id, len(written) + 1)
                await asyncio.sleep(random.choice((0, 0, 0.001, 0.02)))
                if random.random() < 0.1:
                    await transaction.rollback()
                else:
                    await transaction.commit()
                    written.append(operation_id)
        return written

    async def seal() -> None:
        while not done.is_set():
            await seal_operations(pool, TENANT, most=random.choice((1, 3, MOST)))

    sealers = [asyncio.create_task(seal()) for _ in range(2)]
    escrows = await asyncio.gather(*(write(uuid4()) for _ in range(30)))
    done.set()
    await asyncio.gather(*sealers)

    seen = await sealed(pool)
    assert len(seen) == len(set(seen)) == 300
    assert set(seen) == {each for escrow in escrows for each in escrow}
    places = {operation_id: place for place, operation_id in enumerate(seen)}
    for escrow in escrows:
        assert [places[each] for each in escrow] == sorted(places[each] for each in escrow)


@pytest.mark.parametrize("ids", [0, -1, 10**12], ids=["the same", "before", "far ahead"])
async def test_a_restored_dump_keeps_its_positions_and_goes_on(
    pool: ServicePool, owner: Connection, ids: int
) -> None:
    """Its operations were counted by another server, some of them not sealed there."""
    escrow_id = uuid4()
    known = [await commit(pool, escrow_id, 1), await commit(pool)]
    assert await sealed(pool) == known
    left = [await commit(pool, escrow_id, 2), await commit(pool, escrow_id, 3)]
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE operations SET transaction_id = transaction_id + $1", ids)
    await owner.execute(
        "UPDATE sealings SET server = 1, sealed_below = sealed_below + $1 WHERE tenant_id = $2",
        *(ids, TENANT),
    )
    left.append(await commit(pool, escrow_id, 4))  # counted by this one

    assert await sealed(pool) == [*known, *left]
    newest = await commit(pool, escrow_id, 5)
    assert await sealed(pool) == [*known, *left, newest]
    if ids == 0:
        assert await find_unsealed(pool, [TENANT]) == []


async def test_a_server_whose_ids_went_back_is_another_one(
    pool: ServicePool, owner: Connection
) -> None:
    known = await commit(pool)
    assert await sealed(pool) == [known]
    await owner.execute("UPDATE sealings SET sealed_below = sealed_below + 1000000")

    newest = await commit(pool)

    assert await sealed(pool) == [known, newest]


async def test_a_tenant_has_a_sequence_of_its_own(pool: ServicePool) -> None:
    ours = [await commit(pool), await commit(pool)]
    await commit(pool, tenant="neighbour")
    names = [TENANT, "neighbour", "new"]

    assert sorted(await find_unsealed(pool, names)) == [Unsealed(TENANT), Unsealed("neighbour")]
    assert await seal_operations(pool, "neighbour", most=MOST) == 1
    assert await seal_operations(pool, "new", most=MOST) == 0
    assert await find_unsealed(pool, names) == [Unsealed(TENANT)]
    assert await sealed(pool) == ours


async def test_under_another_isolation_nothing_is_sealed(database: Database) -> None:
    async with connected(database.owner_dsn) as strict:
        await commit(strict)
        transaction = strict.transaction(isolation="repeatable_read")
        await transaction.start()
        with pytest.raises(asyncpg.RaiseError, match="READ COMMITTED"):
            await strict.fetchval("SELECT seal_operations($1, 10)", TENANT)
        await transaction.rollback()


async def test_what_was_there_before_has_its_positions_by_time(
    pool: ServicePool, owner: Connection
) -> None:
    """Migration 0034, taken back and made again. A clock that was behind changes no order of an
    escrow's versions.
    """
    escrow_id = uuid4()
    first = [await commit(pool, escrow_id, 1), await commit(pool), await commit(pool, escrow_id, 2)]
    await owner.execute(MOVE + "escrow_version = 2", later(hours=-1))
    last = await commit(pool)
    await owner.execute(MOVE + "operation_id = $2", later(hours=1), last)
    migration = next(each for each in load_migrations() if each.name == "sequence")

    await owner.execute(migration.down.sql)
    await owner.execute(migration.up.sql)

    seen = [row[0] for row in await owner.fetch(POSITIONS, TENANT)]
    assert seen.index(first[0]) < seen.index(first[2])
    assert (set(seen[:3]), seen[3:]) == ({*first}, [last])
    newest = await commit(owner)
    assert await sealed(pool) == [*seen, newest]
