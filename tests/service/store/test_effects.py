"""The queue of effects: nothing is with two workers, and nothing is forgotten."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from service.domain.records.effect import Effect
from service.domain.states.effect import EffectState
from service.migrations import Connection
from service.store.commit import Overtaken, write
from service.store.effects import end_attempt, find_effect, lease_due_effects, lease_effect
from service.store.pool import ServicePool
from tests.records import NOW, TENANT, later, new_effect, new_unit

LEASE = timedelta(seconds=90)
ENDED = (EffectState.SUCCEEDED, EffectState.REJECTED)
ATTEMPTS = """
SELECT effect_id, attempt, generation, started_at, ended_at, outcome, detail FROM effect_attempts
ORDER BY effect_id, attempt"""


async def store(pool: ServicePool, count: int = 1, **changes: Any) -> list[Effect]:  # noqa: ANN401  any field
    """Effects with these fields, as an operation planned them."""
    effects = [new_effect(**changes) for _ in range(count)]
    unit = new_unit()
    for effect in effects:
        unit.put(effect)
    await write(pool, [unit])
    return effects


async def lease_all(pool: ServicePool, now: datetime, *, at_once: int = 7) -> list[Effect]:
    """Leases until nothing is left, as a worker does."""
    leased: list[Effect] = []
    while due := await lease_due_effects(pool, now, lease=LEASE, limit=at_once):
        leased += due
    return leased


async def race(pools: Sequence[ServicePool], now: datetime, workers: int = 10) -> list[Effect]:
    """Everything that workers of two processes lease side by side."""
    hauls = await asyncio.gather(*(lease_all(pools[n % 2], now) for n in range(workers)))
    return [effect for haul in hauls for effect in haul]


async def test_a_lease_records_the_attempt_before_anybody_can_send(
    pool: ServicePool, owner: Connection
) -> None:
    (planned,) = await store(pool, request={"amount": 1})

    (leased,) = await lease_due_effects(pool, later(seconds=1), lease=LEASE, limit=5)

    expected = replace(
        planned,
        version=2,
        state=EffectState.SENDING,
        attempts=1,
        key_used_at=later(seconds=1),
        updated_at=later(seconds=1),
        lease_expires_at=later(seconds=91),
        due_at=later(seconds=91),
    )
    assert leased == expected == await find_effect(pool, TENANT, planned.effect_id)
    assert [tuple(row) for row in await owner.fetch(ATTEMPTS)] == [
        (planned.effect_id, 1, 1, later(seconds=1), None, None, None)
    ]


async def test_no_effect_is_leased_twice_while_its_lease_holds(
    pools: list[ServicePool], owner: Connection
) -> None:
    planned = await store(pools[0], 100)

    leased = await race(pools, NOW)

    assert Counter(effect.effect_id for effect in leased) == Counter(
        effect.effect_id for effect in planned
    )
    assert await race(pools, NOW + LEASE - timedelta(microseconds=1)) == []
    assert [row["attempt"] for row in await owner.fetch(ATTEMPTS)] == [1] * 100


async def test_a_lease_that_ran_out_is_taken_again_under_the_same_key(
    pools: list[ServicePool], owner: Connection
) -> None:
    planned = await store(pools[0], 50)
    await race(pools, NOW)

    again = await race(pools, NOW + LEASE)

    assert {effect.effect_id for effect in again} == {effect.effect_id for effect in planned}
    for effect in again:
        assert (effect.attempts, effect.generation) == (2, 1)
        assert effect.key_used_at == NOW  # when the key was first sent, for the 24 h rule
        assert effect.lease_expires_at == NOW + 2 * LEASE
    # The first attempt of each has no end: that is how it shows that its worker died.
    assert [(row["attempt"], row["ended_at"]) for row in await owner.fetch(ATTEMPTS)] == [
        (1, None),
        (2, None),
    ] * 50


async def test_one_effect_has_one_worker(pools: list[ServicePool]) -> None:
    """A client that waits for it and the queue's workers want the same effect."""
    (planned,) = await store(pools[0])

    async def one(number: int) -> list[Effect]:
        pool = pools[number % 2]
        if number % 3 == 0:
            return await lease_due_effects(pool, NOW, lease=LEASE, limit=5)
        leased = await lease_effect(pool, TENANT, planned.effect_id, NOW, lease=LEASE)
        return [leased] if leased else []

    hauls = await asyncio.gather(*(one(number) for number in range(20)))

    assert [len(haul) for haul in hauls if haul] == [1]


async def test_the_longest_due_are_leased_first(pool: ServicePool) -> None:
    by_age = {age: (await store(pool, due_at=later(seconds=-age)))[0] for age in (10, 30, 20, 40)}

    hauls = [await lease_due_effects(pool, NOW, lease=LEASE, limit=2) for _ in range(2)]

    assert [{effect.effect_id for effect in haul} for haul in hauls] == [
        {by_age[40].effect_id, by_age[30].effect_id},
        {by_age[20].effect_id, by_age[10].effect_id},
    ]


async def test_what_is_not_due_is_left(pool: ServicePool) -> None:
    (effect,) = await store(pool, due_at=later(microseconds=1))

    assert await lease_due_effects(pool, NOW, lease=LEASE, limit=5) == []
    assert await lease_effect(pool, TENANT, effect.effect_id, NOW, lease=LEASE) is None
    assert await lease_effect(pool, TENANT, effect.effect_id, later(seconds=1), lease=LEASE)


@pytest.mark.parametrize("state", ENDED)
async def test_what_has_ended_is_never_leased(pool: ServicePool, state: EffectState) -> None:
    (effect,) = await store(pool, state=state)

    assert await lease_due_effects(pool, later(days=2), lease=LEASE, limit=5) == []
    assert await lease_effect(pool, TENANT, effect.effect_id, later(days=2), lease=LEASE) is None


async def test_an_effect_is_its_tenants(pool: ServicePool) -> None:
    (effect,) = await store(pool)

    assert await lease_effect(pool, "other", effect.effect_id, NOW, lease=LEASE) is None
    assert await find_effect(pool, "other", effect.effect_id) is None


async def test_an_unknown_outcome_keeps_the_key(pool: ServicePool) -> None:
    await store(pool)
    (effect,) = await lease_due_effects(pool, NOW, lease=LEASE, limit=1)
    effect.state, effect.lease_expires_at = EffectState.UNKNOWN, None
    effect.due_at = later(seconds=5)
    unit = new_unit(now=later(seconds=1))
    unit.put(effect)
    await write(pool, [unit])

    (again,) = await lease_due_effects(pool, later(seconds=5), lease=LEASE, limit=1)

    assert (again.state, again.attempts) == (EffectState.SENDING, 2)
    assert again.key_used_at == NOW < again.updated_at


async def test_a_renewed_effect_starts_a_key_of_its_own(
    pool: ServicePool, owner: Connection
) -> None:
    await store(pool)
    (effect,) = await lease_due_effects(pool, NOW, lease=LEASE, limit=1)
    effect.state, effect.generation, effect.key_used_at = EffectState.PLANNED, 2, None
    effect.due_at = later(hours=30)
    unit = new_unit(now=later(hours=30))
    unit.put(effect)
    await write(pool, [unit])

    (renewed,) = await lease_due_effects(pool, later(hours=30), lease=LEASE, limit=1)

    assert (renewed.generation, renewed.attempts) == (2, 2)
    assert renewed.key_used_at == renewed.updated_at == later(hours=30)
    assert [(row["attempt"], row["generation"]) for row in await owner.fetch(ATTEMPTS)] == [
        (1, 1),
        (2, 2),
    ]


async def test_an_answer_that_comes_after_the_lease_was_lost_is_a_conflict(
    pool: ServicePool,
) -> None:
    await store(pool)
    (slow,) = await lease_due_effects(pool, NOW, lease=LEASE, limit=1)
    await lease_due_effects(pool, NOW + LEASE, lease=LEASE, limit=1)
    slow.state = EffectState.SUCCEEDED
    unit = new_unit()
    unit.put(slow)

    with pytest.raises(Overtaken):
        await write(pool, [unit])


async def test_an_attempt_ends_with_what_came_of_it(pool: ServicePool, owner: Connection) -> None:
    await store(pool)
    await lease_due_effects(pool, NOW, lease=LEASE, limit=1)
    (second,) = await lease_due_effects(pool, NOW + LEASE, lease=LEASE, limit=1)

    await end_attempt(pool, second, later(seconds=95), "succeeded", "tr_1")

    assert [(row["attempt"], *tuple(row)[4:]) for row in await owner.fetch(ATTEMPTS)] == [
        (1, None, None, None),
        (2, later(seconds=95), "succeeded", "tr_1"),
    ]
