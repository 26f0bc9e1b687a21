"""Stripe's events that operators list: what waits, what was set aside, what was dismissed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import asyncpg

from service.store.stripe_events import ENTRY, InboxEntry, entry_of, find_event
from service.store.unreadable import Unreadable, read_all
from service.store.waiting_since import Since, readable_since

EVENT_STATES: Mapping[str, str] = {
    "open": "'RECEIVED', 'PARKED'",
    "set_aside": "'QUARANTINED', 'SUSPENSE'",
    "dismissed": "'DISMISSED'",
}
_EVENTS = f"""\
WITH listed AS MATERIALIZED (
    SELECT e.*, {readable_since("received_at")} AS since FROM stripe_events AS e
    WHERE e.tenant_id = $1 AND e.state IN ({{states}})
)
SELECT {{columns}} FROM listed AS e
WHERE (e.since, e.event_id) > ($2::timestamptz, $3::text)
ORDER BY e.since, e.event_id
LIMIT $4"""
_KEY = "e.since, e.event_id"
EVENTS = {
    name: _EVENTS.format(columns=f"{_KEY}, {ENTRY}", states=states)
    for name, states in EVENT_STATES.items()
}
EVENT_KEYS = {
    name: _EVENTS.format(columns=_KEY, states=states) for name, states in EVENT_STATES.items()
}


class ListedEvent(NamedTuple):
    """An event, and where it is in its list."""

    since: Since
    entry: InboxEntry


async def list_events(
    pool: asyncpg.Pool,
    tenant_id: str,
    lists: Iterable[str],
    *,
    after: Since,
    limit: int,
) -> list[ListedEvent | Unreadable[Since]]:
    """The oldest events of these lists (see ``EVENT_STATES``) received after ``after``."""

    async def rows(statements: Mapping[str, str]) -> list[asyncpg.Record]:
        found = [
            row
            for name in lists
            for row in await pool.fetch(statements[name], tenant_id, *after, limit)
        ]
        return sorted(found, key=lambda row: (row[0], row[1]))[:limit]

    async def together() -> list[ListedEvent]:
        return [ListedEvent((row[0], row[1]), entry_of(row[2:])) for row in await rows(EVENTS)]

    async def keys() -> list[Since]:
        return [(row[0], row[1]) for row in await rows(EVENT_KEYS)]

    async def alone(key: Since) -> ListedEvent | None:
        entry = await find_event(pool, tenant_id, key[1])
        return ListedEvent(key, entry) if entry else None

    return await read_all(together, keys, alone)
