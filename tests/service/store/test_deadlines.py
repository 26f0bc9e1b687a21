"""The queue of deadlines: of one escrow the earlier comes first, and none is taken twice."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from service.domain.records.deadline import Deadline, DeadlineKind
from service.domain.records.escrow import Escrow
from service.store.commit import write
from service.store.deadlines import lease_due_deadlines, put_off_deadline
from service.store.pool import ServicePool
from tests.postgres import Database
from tests.records import NOW, later, new_deadline, new_escrow, new_payee, new_payer, new_unit
from tests.service.store.pools import service_pool

LEASE = timedelta(seconds=60)


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[ServicePool]:
    async with service_pool(database, size=2) as pool:
        yield pool


@pytest.fixture
async def escrow(pool: ServicePool) -> Escrow:
    payer, payee = new_payer(), new_payee()
    escrow = new_escrow(payer, payee)
    await put(pool, payer, payee, escrow)
    return escrow


async def put(pool: ServicePool, *records: object) -> None:
    unit = new_unit()
    for record in records:
        unit.put(record)
    await write(pool, [unit])


def due_at(escrow: Escrow, seconds: int, **changes: object) -> Deadline:
    at = later(seconds=seconds)
    return new_deadline(escrow, kind=DeadlineKind.INSPECTION, due_at=at, act_at=at, **changes)


async def leased(pool: ServicePool, *, after_s: int = 0) -> list[UUID]:
    found = await lease_due_deadlines(pool, later(seconds=after_s), lease=LEASE, limit=16)
    return [each.deadline_id for each in found]


async def test_of_one_escrow_only_the_earlier_is_taken(pool: ServicePool, escrow: Escrow) -> None:
    second, first = due_at(escrow, -10), due_at(escrow, -20)
    await put(pool, second, first)

    assert await leased(pool) == [first.deadline_id]
    assert await leased(pool, after_s=59) == []  # somebody has it
    assert await leased(pool, after_s=61) == [first.deadline_id]  # and has died


async def test_what_was_put_off_holds_up_no_other(pool: ServicePool, escrow: Escrow) -> None:
    second, first = due_at(escrow, -10), due_at(escrow, -20)
    await put(pool, second, first)
    (due,) = await lease_due_deadlines(pool, NOW, lease=LEASE, limit=16)

    await put_off_deadline(pool, due, later(seconds=-15), "AMOUNT_FROZEN")

    # It is due again, and before the other, which does not wait for it any more.
    assert await leased(pool) == [first.deadline_id, second.deadline_id]


async def test_what_was_acted_on_meanwhile_is_not_put_off(
    pool: ServicePool, escrow: Escrow
) -> None:
    deadline = due_at(escrow, -10)
    await put(pool, deadline)
    (due,) = await lease_due_deadlines(pool, NOW, lease=LEASE, limit=16)
    deadline.tries, deadline.act_at = 1, later(seconds=1)
    await put(pool, deadline)

    await put_off_deadline(pool, due, later(days=1), "BUSY")

    assert await leased(pool, after_s=61) == [deadline.deadline_id]


async def test_what_is_not_due_or_needs_nothing_more_is_not_taken(
    pool: ServicePool, escrow: Escrow
) -> None:
    await put(pool, due_at(escrow, 1), new_deadline(escrow, act_at=None))

    assert await leased(pool) == []
    assert len(await leased(pool, after_s=1)) == 1


async def test_the_earliest_of_many_come_first(pool: ServicePool) -> None:
    parties = new_payer(), new_payee()
    escrows = [new_escrow(*parties) for _ in range(20)]
    deadlines = [due_at(escrow, -number) for number, escrow in enumerate(escrows)]
    await put(pool, *parties, *escrows, *deadlines)

    first = await leased(pool)

    assert first == [each.deadline_id for each in reversed(deadlines)][:16]
