"""What is told of the queues: what waits, for how long, and nothing while nobody knows."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import structlog
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from service.domain.records.deadline import DeadlineKind
from service.domain.records.effect import EffectKind
from service.domain.records.freeze import FreezeReason
from service.domain.states.chargeback import ChargebackState
from service.domain.states.effect import EffectState
from service.domain.states.payee import PayeeState
from service.runtime import Runtime
from service.store.balances import FIRST
from service.store.commit import write
from service.store.pool import ServicePool
from service.store.stripe_events import insert_event
from service.workers.watch import QueueWatch
from tests.postgres import Database, connected
from tests.records import (
    NOW,
    TENANT,
    Deal,
    fund_deal,
    later,
    new_chargeback,
    new_effect,
    new_payee,
    new_release,
    new_unit,
)
from tests.service.store.pools import service_pool
from tests.service.store.test_stripe_events import new_event

Told = dict[tuple[str, ...], float]


class Watched:
    """A watch, its clock, and what it tells by queue, state and kind."""

    def __init__(self, pool: ServicePool, tenants: Iterable[str] = ()) -> None:
        self.now: datetime = NOW
        self._reader = InMemoryMetricReader()
        self.readings = MeterProvider([self._reader], shutdown_on_exit=False)
        stripe: Any = dict.fromkeys(tenants)  # nobody calls it here
        self.runtime = Runtime(pool, stripe, lambda: self.now)
        self.watch = QueueWatch(self.runtime, self.readings)

    def told(self, name: str) -> Told:
        data = self._reader.get_metrics_data()
        return {
            tuple(str(value) for _, value in sorted((point.attributes or {}).items())): getattr(
                point, "value", 0.0
            )
            for resource in (data.resource_metrics if data else ())
            for metric in resource.scope_metrics[0].metrics
            if metric.name == name
            for point in metric.data.data_points
        }

    def of_note(self, name: str) -> Told:
        return {labels: value for labels, value in self.told(name).items() if value}


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[ServicePool]:
    async with service_pool(database, size=2) as pool:
        yield pool


@pytest.fixture
async def watched(pool: ServicePool) -> AsyncIterator[Watched]:
    watched = Watched(pool)
    yield watched
    watched.readings.shutdown()


async def put(pool: asyncpg.Pool, *records: object) -> None:
    unit = new_unit()
    for record in records:
        unit.put(record)
    await write(pool, [unit])


async def test_before_anybody_looked_nothing_is_told(watched: Watched) -> None:
    assert watched.told("escrow.queue.items") == {}


async def test_empty_queues_are_told_as_empty(watched: Watched) -> None:
    await watched.watch.run_once()

    items = watched.told("escrow.queue.items")
    assert set(items.values()) == {0}
    assert len(items) == 3 * len(EffectKind) + len(FreezeReason) + 2 * len(DeadlineKind) + 24
    assert set(watched.told("escrow.queue.oldest.age").values()) == {0}
    assert watched.told("escrow.queue.overdue") == {
        ("effects",): 0,
        ("inbox",): 0,
        ("transfers",): 0,
        ("receivables",): 0,
        ("deadlines",): 0,
        ("closings",): 0,
        ("sealings",): 0,
        ("sweeps",): 0,
    }


async def test_books_are_overdue_only_while_their_tenant_is_configured(
    pool: ServicePool, database: Database
) -> None:
    close = "INSERT INTO closings VALUES ($1, $2, $2, $3)"
    async with connected(database.owner_dsn) as owner:
        for tenant, seconds in ((TENANT, -40), ("removed", -4000)):
            await owner.execute(close, tenant, FIRST, later(seconds=seconds))
    watched = Watched(pool, tenants=[TENANT])

    await watched.watch.run_once()

    assert watched.told("escrow.queue.overdue")["closings",] == 40
    watched.readings.shutdown()


async def test_evidence_is_told_of_before_it_is_due(pool: ServicePool, watched: Watched) -> None:
    deal, now = await fund_deal(pool), datetime.now(UTC)  # by the clock of the database
    watched.now = now
    asks, takes = ChargebackState.INQUIRY, ChargebackState.NEEDS_RESPONSE
    disputes = [
        (takes, 10, 0),
        (asks, 47, 0),
        (takes, 49, 0),
        (asks, 20, 1),
        (takes, -1, 0),
        (ChargebackState.WON, 5, 1),
    ]
    lost = {"settled_currency": deal.payment.currency, "withdrawn_minor": 105_00}
    for hours, settled_minor in ((1, 0), (2, 100_00), (3, 105_00)):
        moment = now - timedelta(hours=hours)
        settled = {"settled_at": moment, "settled_minor": settled_minor} if settled_minor else {}
        made = new_chargeback(
            deal.payment,
            state=ChargebackState.LOST,
            lost_at=moment,
            stripe_dispute=f"du_lost_{hours}",
            **lost,
            **settled,
        )
        await put(pool, made)
    await put(
        pool,
        *(
            new_chargeback(
                deal.payment,
                state=state,
                due_by=now + timedelta(hours=hours),
                submissions=submissions,
                stripe_dispute=f"du_{number}",
            )
            for number, (state, hours, submissions) in enumerate(disputes)
        ),
    )

    await watched.watch.run_once()

    told = watched.of_note("escrow.queue.items")
    assert (told["evidence", "DUE_SOON"], told["evidence", "WAITING"]) == (2, 1)
    assert watched.told("escrow.evidence.left") == {(): 36_000}
    assert told["chargebacks", "UNSETTLED"] == 2
    ages = watched.of_note("escrow.queue.oldest.age")
    assert ages["chargebacks", "UNSETTLED"] == pytest.approx(7_200, abs=1)
    watched.now += timedelta(hours=11)
    assert watched.told("escrow.evidence.left") == {(): -3_600}


async def test_effects_are_told_by_kind_and_state(pool: asyncpg.Pool, watched: Watched) -> None:
    transfer = {"kind": EffectKind.CREATE_TRANSFER}
    await put(
        pool,
        new_effect(created_at=later(seconds=-90), due_at=later(seconds=-20), **transfer),
        new_effect(created_at=later(seconds=-30), due_at=later(seconds=-10), **transfer),
        new_effect(state=EffectState.UNKNOWN, due_at=later(seconds=60)),
        new_effect(state=EffectState.SUCCEEDED, created_at=later(days=-3)),
    )
    await watched.watch.run_once()

    planned, unknown = (
        ("create_transfer", "effects", "PLANNED"),
        ("create_customer", "effects", "UNKNOWN"),
    )
    assert watched.of_note("escrow.queue.items") == {planned: 2, unknown: 1}
    assert watched.of_note("escrow.queue.oldest.age") == {planned: 90}
    assert watched.of_note("escrow.queue.overdue") == {("effects",): 20}


async def test_ages_grow_between_two_looks(pool: asyncpg.Pool, watched: Watched) -> None:
    await put(pool, new_effect())
    await watched.watch.run_once()
    watched.now = later(seconds=7)

    assert set(watched.of_note("escrow.queue.oldest.age").values()) == {7}
    assert watched.of_note("escrow.queue.overdue") == {("effects",): 7}


async def test_events_are_told_by_state(pool: asyncpg.Pool, watched: Watched) -> None:
    states = ("RECEIVED", "RECEIVED", "PARKED", "PROCESSED", "QUARANTINED", "SUSPENSE")
    for number, state in enumerate(states):
        event = new_event(f"evt_{number}", received_at=later(seconds=-10 * (number + 1)))
        await insert_event(pool, event, state=state)
    await watched.watch.run_once()

    assert watched.of_note("escrow.queue.items") == {
        ("inbox", "RECEIVED"): 2,
        ("inbox", "PARKED"): 1,
        ("set_aside", "QUARANTINED"): 1,
        ("set_aside", "SUSPENSE"): 1,
    }
    assert watched.of_note("escrow.queue.oldest.age") == {
        ("inbox", "RECEIVED"): 20,
        ("inbox", "PARKED"): 30,
        ("set_aside", "QUARANTINED"): 50,
        ("set_aside", "SUSPENSE"): 60,
    }
    assert watched.of_note("escrow.queue.overdue") == {("inbox",): 30}


async def release_of(pool: asyncpg.Pool, state: PayeeState, waits_s: int) -> Deal:
    """A release that waits for its transfer since ``waits_s``, and a payment without its fee."""
    payee = new_payee(state=state)
    await put(pool, payee)
    deal = await fund_deal(pool, payee=payee)
    since = later(seconds=-waits_s)
    release = new_release(
        deal.milestone, deal.escrow, deal.payment, created_at=since, transfer_at=since
    )
    await put(pool, release)
    return deal


async def test_due_are_the_releases_whose_payee_can_be_paid(
    pool: asyncpg.Pool, watched: Watched
) -> None:
    await release_of(pool, PayeeState.ONBOARDING, waits_s=900)
    await release_of(pool, PayeeState.ACTIVE, waits_s=40)
    watched.now = later(seconds=1)
    await watched.watch.run_once()

    assert watched.of_note("escrow.queue.items") == {
        ("transfers", "WAITING"): 2,
        ("settlements", "SUCCEEDED"): 2,
    }
    assert watched.of_note("escrow.queue.oldest.age") == {
        ("transfers", "WAITING"): 901,
        ("settlements", "SUCCEEDED"): 1,
    }
    assert watched.of_note("escrow.queue.overdue") == {("transfers",): 41}


async def test_while_the_database_is_away_nothing_is_told(
    pool: asyncpg.Pool, watched: Watched
) -> None:
    await watched.watch.run_once()
    await pool.close()
    with structlog.testing.capture_logs() as logs:
        watching = asyncio.create_task(watched.watch.run())
        await asyncio.wait([watching], timeout=0.2)
        watching.cancel()

    assert watched.told("escrow.queue.items") == {}
    assert [line["event"] for line in logs] == ["queues not read"]
