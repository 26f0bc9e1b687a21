"""Whatever a row of a queue or of an operator's list holds: the others are done, and are shown."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from structlog.testing import capture_logs

from escrow.v1 import operator_service_pb2 as op
from service.store.effects import lease_due_effects
from service.store.stripe_events import lease_due_events
from tests.postgres import Server, migrated_database
from tests.service.operations.marketplace import Marketplace, open_marketplace
from tests.service.operations.operators.stuck import event_set_aside, never_arrived, suspended
from tests.service.operations.test_damaged_rows import COLUMNS, WRONG, remove_guards, spoiled

LEASE = timedelta(seconds=60)
# On a slow machine it would be due again, and done, while the next ones are made.
PUT_OFF = "UPDATE effects SET due_at = due_at + interval '1 hour' WHERE state = 'UNKNOWN'"
_NUMBERS = count()


@pytest.fixture(scope="module")
async def damaged(
    postgres_server: Server, template_database: str, sandbox_url: str
) -> AsyncIterator[Marketplace]:
    """Two of each wait, and nothing keeps a row from being spoiled any more."""
    async with (
        migrated_database(postgres_server, template_database) as database,
        open_marketplace(database, sandbox_url) as market,
    ):
        for _ in range(2):
            await suspended(market)
            await event_set_aside(market)
            await never_arrived(market)
            await market.owner.execute(PUT_OFF)
        await remove_guards(market)
        yield market


@asynccontextmanager
async def restored(market: Marketplace, table: str) -> AsyncIterator[None]:
    """Afterwards the table is as it was."""
    kept = f"kept_{next(_NUMBERS)}"
    await market.owner.execute(f"CREATE TABLE {kept} AS SELECT * FROM {table}")
    try:
        yield
    finally:
        await market.owner.execute(f"TRUNCATE {table}")
        await market.owner.execute(f"INSERT INTO {table} SELECT * FROM {kept}")
        await market.owner.execute(f"DROP TABLE {kept}")


async def lease_effects(market: Marketplace) -> set[str]:
    pool = market.running.runtime.pool
    now = market.running.runtime.clock() + timedelta(days=1)
    await market.owner.execute("TRUNCATE effect_attempts")  # as the effects are, they are restored
    leased = await lease_due_effects(pool, now, lease=LEASE, limit=100)
    return {effect.public_id for effect in leased}


async def lease_events(market: Marketplace) -> set[str]:
    pool = market.running.runtime.pool
    now = market.running.runtime.clock() + timedelta(days=1)
    leased = await lease_due_events(pool, now, lease=LEASE, limit=100)
    return {event.event_id for event in leased}


Lease = Callable[[Marketplace], Awaitable[set[str]]]
QUEUES: dict[str, tuple[str, Lease]] = {
    "effects": ("UPDATE effects SET state = 'UNKNOWN', lease_expires_at = NULL", lease_effects),
    "stripe_events": ("UPDATE stripe_events SET state = 'RECEIVED'", lease_events),
}


@pytest.mark.parametrize("table", QUEUES)
async def test_a_damaged_row_of_a_queue_holds_up_no_other(damaged: Marketplace, table: str) -> None:
    all_due, lease = QUEUES[table]
    async with restored(damaged, table):
        await damaged.owner.execute(
            f"DELETE FROM {table} WHERE state IN ('SUCCEEDED', 'PROCESSED')"
        )
        await damaged.owner.execute(all_due)
        async with restored(damaged, table):
            due = await lease(damaged)
        assert len(due) > 1
        unreadable = 0
        for column, type_ in await damaged.owner.fetch(COLUMNS, table):
            if column == "version":  # the highest that SQL can hold cannot be counted on from
                continue
            for value in WRONG[type_]:
                async with restored(damaged, table):
                    async with spoiled(damaged, table, column, type_, value) as holds:
                        if not holds:
                            continue
                        with capture_logs() as logs:
                            leased = await lease(damaged)
                    unreadable += len([e for e in logs if e["event"] == "leased row unreadable"])
                    assert len(leased & due) >= len(due) - 1, f"{column} = {value[:40]}"
        assert unreadable


async def whole(call: Callable[[Any], Awaitable[Any]], request: Any) -> Any:  # noqa: ANN401  any list's
    """All pages as one answer: pages of one, so that every row is where a page ends."""
    request.page_size = 1
    answer = await call(request)
    while answer.next_page_token:
        request.page_token = answer.next_page_token
        page = await call(request)
        answer.MergeFrom(page)
        answer.next_page_token = page.next_page_token
    return answer


async def shown(market: Marketplace) -> dict[str, tuple[set[str], set[str]]]:
    """What each of the operators' lists shows, and what it only names."""
    operators = market.operator.operators
    effects = await whole(operators.ListEffects, op.ListEffectsRequest())
    events = await whole(operators.ListStripeEvents, op.ListStripeEventsRequest())
    money = await whole(operators.ListSuspense, op.ListSuspenseRequest())
    return {
        "effects": ({each.id for each in effects.effects}, set(effects.unreadable)),
        "events": ({each.id for each in events.events}, set(events.unreadable)),
        "suspense": ({each.account for each in money.suspense}, set(money.unreadable)),
    }


@pytest.mark.parametrize(
    "table",
    ["balance_transactions", "balances", "effects", "journals", "payments", "stripe_events"],
)
async def test_a_damaged_row_fails_no_list_of_the_operators(
    damaged: Marketplace, table: str
) -> None:
    before = await shown(damaged)
    assert all(len(items) > 1 for items, _ in before.values())
    for column, type_ in await damaged.owner.fetch(COLUMNS, table):
        for value in WRONG[type_]:
            async with spoiled(damaged, table, column, type_, value) as holds:
                if not holds:
                    continue
                after = await shown(damaged)
            for name, (items, _) in before.items():
                seen, named = after[name]
                what = f"{name}: {table}.{column} = {value[:40]}"
                assert len(items & (seen | named)) >= len(items) - 1, what
    assert await shown(damaged) == before
