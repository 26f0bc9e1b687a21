"""What operators list. Open items are few, and found by partial indexes that hold nothing else;
only then they are put in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

import asyncpg

from service.domain.records.effect import NEEDS_PERSON, Effect
from service.store.rows import NO_ID_YET, from_row, select_list
from service.store.stripe_events import ENTRY, InboxEntry, entry_of

_EFFECTS = f"""\
WITH open AS MATERIALIZED (
    SELECT * FROM effects
    WHERE tenant_id = $1 AND state IN ('PLANNED', 'SENDING', 'UNKNOWN'){{which}}
)
SELECT {select_list(Effect, "f")} FROM open AS f
WHERE f.effect_id < coalesce($2::uuid, {NO_ID_YET})
ORDER BY f.effect_id DESC
LIMIT $3"""
EFFECTS: Mapping[bool, str] = {
    False: _EFFECTS.format(which=""),
    True: _EFFECTS.format(which=f" AND error ? '{NEEDS_PERSON}'"),
}
"""Those that are open; by True, those of them that need a person."""

EVENT_STATES: Mapping[str, str] = {
    "open": "'RECEIVED', 'PARKED'",
    "set_aside": "'QUARANTINED', 'SUSPENSE'",
    "dismissed": "'DISMISSED'",
}
EVENTS = {
    name: f"""\
WITH listed AS MATERIALIZED (
    SELECT * FROM stripe_events WHERE tenant_id = $1 AND state IN ({states})
)
SELECT {ENTRY} FROM listed AS e
WHERE (e.received_at, e.event_id) > ($2::timestamptz, $3::text)
ORDER BY e.received_at, e.event_id
LIMIT $4"""
    for name, states in EVENT_STATES.items()
}


async def find_open_effects(
    pool: asyncpg.Pool, tenant_id: str, *, needs_person: bool, before: UUID | None, limit: int
) -> list[Effect]:
    """The newest open effects that were decided on before ``before``."""
    rows = await pool.fetch(EFFECTS[needs_person], tenant_id, before, limit)
    return [from_row(Effect, row) for row in rows]


async def list_events(
    pool: asyncpg.Pool,
    tenant_id: str,
    lists: Iterable[str],
    *,
    after: tuple[datetime, str],
    limit: int,
) -> list[InboxEntry]:
    """The oldest events of these lists (see ``EVENT_STATES``) received after ``after``."""
    found = [
        entry_of(row)
        for name in lists
        for row in await pool.fetch(EVENTS[name], tenant_id, *after, limit)
    ]
    return sorted(found, key=lambda entry: (entry.event.received_at, entry.event.event_id))[:limit]
