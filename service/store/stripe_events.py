"""The inbox: Stripe's events, stored once, leased to the worker that applies them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

import asyncpg

from service.store.pool import ServicePool, lease_tenant_by_tenant
from service.store.unreadable import read_leased

INSERT = """\
INSERT INTO stripe_events (
    tenant_id, event_id, endpoint, account, type, api_version, livemode, occurred_at, payload,
    state, reason, due_at, received_at, trace_id, traceparent
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13, $14)
ON CONFLICT ON CONSTRAINT stripe_events_pkey DO NOTHING
RETURNING 1"""
INSERT_MANY = """\
INSERT INTO stripe_events (
    tenant_id, event_id, endpoint, account, type, api_version, livemode, occurred_at, payload,
    state, reason, due_at, received_at, trace_id, traceparent
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[],
    $8::timestamptz[], $9::bytea[], $10::text[], $11::text[], $12::timestamptz[],
    $12::timestamptz[], $13::text[], $14::text[]
)
ON CONFLICT ON CONSTRAINT stripe_events_pkey DO NOTHING
RETURNING tenant_id, event_id"""
_DUE = "state IN ('RECEIVED', 'PARKED') AND due_at <= $1"
_LEASE = """\
WITH chosen AS (
    SELECT tenant_id, event_id FROM stripe_events
    WHERE {which}
    ORDER BY due_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE stripe_events AS e
SET due_at = $2, attempts = e.attempts + 1
FROM chosen
WHERE e.tenant_id = {tenant} AND e.event_id = chosen.event_id
RETURNING e.tenant_id, e.event_id, e.endpoint, e.account, e.type, e.api_version, e.livemode,
    e.occurred_at, e.payload, e.traceparent, e.attempts, e.received_at"""
LEASE = _LEASE.format(which=_DUE, tenant="chosen.tenant_id")
# On a cluster no statement locks rows of two tenants: those with work are found first.
DUE_TENANTS = (
    f"SELECT tenant_id FROM stripe_events WHERE {_DUE} GROUP BY tenant_id ORDER BY min(due_at)"
)
LEASE_OF_TENANT = _LEASE.format(which=f"tenant_id = $4 AND {_DUE}", tenant="$4")
LEASED_UNTIL = """\
SELECT tenant_id, event_id FROM stripe_events
WHERE state IN ('RECEIVED', 'PARKED') AND due_at = $1"""
SET_ASIDE = """\
UPDATE stripe_events SET state = $3, reason = $4, due_at = $5
WHERE tenant_id = $1 AND event_id = $2 AND state IN ('RECEIVED', 'PARKED')"""


ENTRY = """\
e.tenant_id, e.event_id, e.endpoint, e.account, e.type, e.api_version, e.livemode,
    e.occurred_at, e.payload, e.traceparent, e.attempts, e.received_at, e.state, e.reason,
    e.due_at"""
FIND = f"""\
SELECT {ENTRY} FROM stripe_events AS e WHERE e.tenant_id = $1 AND e.event_id = $2"""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as Stripe sent it; ``account`` is the connected account it is about, if any.

    ``traceparent`` names the span that received it (W3C), or is "".
    """

    tenant_id: str
    event_id: str
    endpoint: str
    account: str | None
    type: str
    api_version: str | None
    livemode: bool
    occurred_at: datetime
    payload: bytes
    traceparent: str
    attempts: int
    received_at: datetime


class InboxEntry(NamedTuple):
    """An event in the inbox: where it is, why, and when it is due."""

    event: StoredEvent
    state: str
    reason: str
    due_at: datetime


class Arrival(NamedTuple):
    """An event on its way into the inbox, the state it begins in, and why if it is set aside."""

    event: StoredEvent
    state: str
    reason: str = ""


async def insert_event(
    pool: asyncpg.Pool, event: StoredEvent, *, state: str, reason: str = ""
) -> bool:
    """Stores an event; False when it was stored before."""
    return await pool.fetchval(INSERT, *_row(Arrival(event, state, reason))) is not None


async def insert_events(pool: asyncpg.Pool, arrivals: Sequence[Arrival]) -> list[bool]:
    """Stores events in one statement, all or nothing. For each in order, whether it was stored now:
    False when it was stored before, by an earlier one of the same id among them too.
    """
    if not arrivals:
        return []
    # In the order of their ids, in which every process locks them: none waits in a circle.
    rows = sorted(map(_row, arrivals), key=_KEY)
    stored = set(map(_KEY, await pool.fetch(INSERT_MANY, *zip(*rows, strict=True))))
    answers = []
    for event, *_ in arrivals:
        key = (event.tenant_id, event.event_id)
        answers.append(key in stored)
        stored.discard(key)  # the first of twins is the one that is stored
    return answers


_KEY = itemgetter(0, 1)  # of a row: the tenant and the event's id


def _row(arrival: Arrival) -> tuple[object, ...]:
    event, state, reason = arrival
    return (
        event.tenant_id,
        event.event_id,
        event.endpoint,
        event.account,
        event.type,
        event.api_version,
        event.livemode,
        event.occurred_at,
        event.payload,
        state,
        reason,
        event.received_at,
        event.traceparent[3:35],  # the trace's id
        event.traceparent,
    )


async def lease_due_events(
    pool: ServicePool, now: datetime, *, lease: timedelta, limit: int
) -> list[StoredEvent]:
    """Takes events that are due, of any tenant; no other worker gets them during the lease."""
    until = now + lease

    async def together() -> list[StoredEvent]:
        if pool.engine.per_tenant:
            rows = await lease_tenant_by_tenant(
                pool, DUE_TENANTS, LEASE_OF_TENANT, now, until, limit
            )
        else:
            rows = await pool.fetch(LEASE, now, until, limit)
        return [StoredEvent(*row) for row in rows]

    async def keys() -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in await pool.fetch(LEASED_UNTIL, until)]

    async def alone(key: tuple[str, str]) -> StoredEvent | None:
        entry = await find_event(pool, *key)
        return entry.event if entry else None

    return await read_leased(together, keys, alone)


async def set_event_aside(
    pool: asyncpg.Pool, event: StoredEvent, *, state: str, reason: str, due_at: datetime
) -> None:
    """Parks an event until ``due_at``, or ends it as SUSPENSE: shown, never dropped."""
    shown = _storable(reason)[:500]
    await pool.execute(SET_ASIDE, event.tenant_id, event.event_id, state, shown, due_at)


def _storable(text: str) -> str:
    """A reason may quote what PostgreSQL cannot keep: a NUL, or half a surrogate pair."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def entry_of(row: Iterable[Any]) -> InboxEntry:
    """From the columns of ``ENTRY``."""
    *event, state, reason, due_at = row
    return InboxEntry(StoredEvent(*event), state, reason, due_at)


async def find_event(pool: asyncpg.Pool, tenant_id: str, event_id: str) -> InboxEntry | None:
    row = await pool.fetchrow(FIND, tenant_id, event_id)
    return entry_of(row) if row else None
