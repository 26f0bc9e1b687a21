"""The inbox: every event is stored once, byte for byte, and is with one worker at a time."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from service.domain.unit import EventEnd
from service.migrations import Connection
from service.store.commit import write
from service.store.pool import ServicePool
from service.store.stripe_events import (
    Arrival,
    StoredEvent,
    insert_event,
    insert_events,
    lease_due_events,
    set_event_aside,
)
from tests.records import NOW, TENANT, later, new_unit

LEASE = timedelta(seconds=60)
STANDING = "SELECT state, reason, due_at, attempts, processed_at FROM stripe_events"


def new_event(event_id: str = "evt_1", **changes: object) -> StoredEvent:
    event = StoredEvent(
        tenant_id=TENANT,
        event_id=event_id,
        endpoint="connect",
        account="acct_1",
        type="payout.paid",
        api_version="2026-10-28.endive",
        livemode=False,
        occurred_at=later(seconds=-5),
        payload=b'{"id": "evt_1",\n "text": "\xc3\xa9\x00"}',
        traceparent=f"00-{1:032x}-{1:016x}-01",
        attempts=0,
        received_at=NOW,
    )
    return replace(event, **changes)  # type: ignore[arg-type]  # any field


async def store(pool: ServicePool, count: int) -> set[str]:
    events = [new_event(f"evt_{number}") for number in range(count)]
    for event in events:
        assert await insert_event(pool, event, state="RECEIVED")
    return {event.event_id for event in events}


async def lease_all(pool: ServicePool, now: datetime) -> list[StoredEvent]:
    leased: list[StoredEvent] = []
    while due := await lease_due_events(pool, now, lease=LEASE, limit=7):
        leased += due
    return leased


async def race(pools: Sequence[ServicePool], now: datetime) -> list[StoredEvent]:
    hauls = await asyncio.gather(*(lease_all(pools[n % 2], now) for n in range(10)))
    return [event for haul in hauls for event in haul]


async def test_twins_are_stored_once(pools: list[ServicePool], owner: Connection) -> None:
    """Stripe sends again before we have answered, to two gateways at once."""
    twins = [new_event(traceparent=f"00-{number:032x}-{number:016x}-01") for number in range(50)]

    stored = await asyncio.gather(
        *(insert_event(pools[n % 2], twin, state="RECEIVED") for n, twin in enumerate(twins))
    )

    assert sum(stored) == 1
    (row,) = await owner.fetch("SELECT traceparent, trace_id FROM stripe_events")
    kept = stored.index(True)
    assert (row["traceparent"], row["trace_id"]) == (twins[kept].traceparent, f"{kept:032x}")


async def test_a_batch_is_stored_as_its_events_would_be_alone(
    pool: ServicePool, owner: Connection
) -> None:
    alone = [new_event("evt_2"), new_event("evt_1", account=None, api_version=None)]
    together = [replace(event, tenant_id="other") for event in alone]
    await insert_event(pool, alone[0], state="RECEIVED")
    await insert_event(pool, alone[1], state="QUARANTINED", reason="livemode")

    states = [("RECEIVED", ""), ("QUARANTINED", "livemode")]
    arrivals = [Arrival(event, *state) for event, state in zip(together, states, strict=True)]
    assert await insert_events(pool, arrivals) == [True, True]

    rows = await owner.fetch("SELECT * FROM stripe_events ORDER BY tenant_id DESC, event_id")
    by_tenant: dict[str, list[dict[str, object]]] = {}
    for row in map(dict, rows):
        by_tenant.setdefault(row.pop("tenant_id"), []).append(row)
    assert by_tenant["other"] == by_tenant[TENANT]
    assert len(by_tenant["other"]) == 2


async def test_of_twins_in_a_batch_the_first_is_stored(
    pool: ServicePool, owner: Connection
) -> None:
    await insert_event(pool, new_event("evt_old"), state="RECEIVED")
    ids = ["evt_b", "evt_a", "evt_old", "evt_b", "evt_a", "evt_b"]
    arrivals = [
        Arrival(new_event(event_id, traceparent=str(place)), "RECEIVED")
        for place, event_id in enumerate(ids)
    ]

    assert await insert_events(pool, arrivals) == [True, True, False, False, False, False]

    rows = await owner.fetch("SELECT event_id, traceparent FROM stripe_events ORDER BY event_id")
    assert [tuple(row) for row in rows][:2] == [("evt_a", "1"), ("evt_b", "0")]
    assert len(rows) == 3


async def test_batches_that_overlap_do_not_wait_in_a_circle(pools: list[ServicePool]) -> None:
    """Two gateways are told the same events, in different orders."""
    for number in range(20):
        arrivals = [Arrival(new_event(f"evt_{number}_{n}"), "RECEIVED") for n in range(100)]

        stored, again = await asyncio.gather(
            insert_events(pools[0], arrivals), insert_events(pools[1], arrivals[::-1])
        )

        assert sum(stored) + sum(again) == 100
        assert all(a != b for a, b in zip(stored, again[::-1], strict=True))


async def test_a_batch_of_nothing_stores_nothing(pool: ServicePool) -> None:
    assert await insert_events(pool, []) == []


async def test_the_same_event_id_of_another_tenant_is_another_event(pool: ServicePool) -> None:
    assert await insert_event(pool, new_event(), state="RECEIVED")
    assert await insert_event(pool, new_event(tenant_id="other"), state="RECEIVED")


async def test_a_stored_event_is_not_stored_again_when_it_has_ended(pool: ServicePool) -> None:
    await insert_event(pool, new_event(), state="RECEIVED")
    unit = new_unit()
    unit.event_end = EventEnd("evt_1", "PROCESSED")
    await write(pool, [unit])

    assert not await insert_event(pool, new_event(), state="RECEIVED")
    assert await lease_due_events(pool, later(days=1), lease=LEASE, limit=5) == []


async def test_an_event_comes_back_byte_for_byte(pool: ServicePool) -> None:
    await insert_event(pool, new_event(), state="RECEIVED")
    await insert_event(pool, new_event("evt_2", account=None, api_version=None), state="RECEIVED")

    leased = await lease_due_events(pool, NOW, lease=LEASE, limit=5)

    assert sorted(leased, key=lambda event: event.event_id) == [
        new_event(attempts=1),
        new_event("evt_2", account=None, api_version=None, attempts=1),
    ]


async def test_no_event_is_leased_twice_while_its_lease_holds(pools: list[ServicePool]) -> None:
    stored = await store(pools[0], 100)

    leased = await race(pools, NOW)

    assert Counter(event.event_id for event in leased) == Counter(stored)
    assert await race(pools, NOW + LEASE - timedelta(microseconds=1)) == []


async def test_a_lease_that_ran_out_is_taken_again(pools: list[ServicePool]) -> None:
    stored = await store(pools[0], 30)
    await race(pools, NOW)

    again = await race(pools, NOW + LEASE)

    assert Counter(event.event_id for event in again) == Counter(stored)
    assert {event.attempts for event in again} == {2}


@pytest.mark.parametrize("state", ["QUARANTINED", "IGNORED", "SUSPENSE", "PROCESSED"])
async def test_what_is_not_open_is_never_leased(pool: ServicePool, state: str) -> None:
    await insert_event(pool, new_event(), state=state, reason="livemode")

    assert await lease_due_events(pool, later(days=9), lease=LEASE, limit=5) == []


async def test_a_parked_event_waits_and_comes_again(pool: ServicePool, owner: Connection) -> None:
    await store(pool, 1)
    (event,) = await lease_due_events(pool, NOW, lease=LEASE, limit=5)

    await set_event_aside(
        pool, event, state="PARKED", reason="no such payment", due_at=later(minutes=5)
    )

    assert await lease_due_events(pool, later(minutes=4), lease=LEASE, limit=5) == []
    (again,) = await lease_due_events(pool, later(minutes=5), lease=LEASE, limit=5)
    assert again == replace(event, attempts=2)
    row = await owner.fetchrow(STANDING)
    assert row is not None
    assert (row["state"], row["reason"]) == ("PARKED", "no such payment")


async def test_an_event_in_suspense_is_shown_and_not_tried_again(
    pool: ServicePool, owner: Connection
) -> None:
    await store(pool, 1)
    (event,) = await lease_due_events(pool, NOW, lease=LEASE, limit=5)

    await set_event_aside(pool, event, state="SUSPENSE", reason="x" * 1_000, due_at=NOW)

    assert await lease_due_events(pool, later(days=1), lease=LEASE, limit=5) == []
    row = await owner.fetchrow(STANDING)
    assert row is not None
    assert (row["state"], len(row["reason"])) == ("SUSPENSE", 500)


async def test_what_has_ended_is_not_set_aside_by_a_slow_worker(
    pool: ServicePool, owner: Connection
) -> None:
    await store(pool, 1)
    (slow,) = await lease_due_events(pool, NOW, lease=LEASE, limit=5)
    unit = new_unit(now=later(seconds=70))
    unit.event_end = EventEnd(slow.event_id, "PROCESSED")
    await write(pool, [unit])

    await set_event_aside(pool, slow, state="PARKED", reason="late", due_at=NOW)

    row = await owner.fetchrow(STANDING)
    assert row is not None
    assert tuple(row) == ("PROCESSED", "", later(seconds=60), 1, later(seconds=70))
