"""The one sequence of a tenant: every operation gets a position behind its writer, in the order of
commits, dense from 1. docs/decisions/0052-one-sequence.md says why nothing is missed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.store.operations import TimelineRow
from service.store.unreadable import Unreadable, read_all

# A seek for each tenant. Its second part finds what was open when the last positions were given.
UNSEALED_TENANTS = """\
SELECT t.tenant_id FROM unnest($1::text[]) AS t (tenant_id)
LEFT JOIN sealings AS s ON s.tenant_id = t.tenant_id
WHERE EXISTS (
    SELECT 1 FROM operations AS o
    WHERE o.tenant_id = t.tenant_id AND o.transaction_id >= coalesce(s.sealed_below, 0)
) OR EXISTS (
    SELECT 1 FROM unnest(s.still_open) AS open (transaction_id)
    JOIN operations AS o ON o.tenant_id = t.tenant_id AND o.transaction_id = open.transaction_id
)"""
SEALED = """\
SELECT t.tenant_id, found.position FROM unnest($1::text[]) AS t (tenant_id)
CROSS JOIN LATERAL (
    SELECT s.position FROM sealings AS s WHERE s.tenant_id = t.tenant_id LIMIT 1
) AS found"""
LAST = """\
SELECT p.position, p.operation_id FROM positions AS p
WHERE p.tenant_id = $1 ORDER BY p.position DESC LIMIT 1"""
OPERATION_AT = "SELECT operation_id FROM positions WHERE tenant_id = $1 AND position = $2"
_TOLD = """\
SELECT p.position, p.operation_id, o.escrow_id, coalesce(o.escrow_version, 0), o.kind, o.party,
    o.caller, o.key, o.transitions, o.note, o.occurred_at, o.trace_id
"""
_PLACES = "SELECT p.position, p.operation_id\n"
_OF_ALL = """\
FROM positions AS p
JOIN operations AS o ON o.tenant_id = p.tenant_id AND o.operation_id = p.operation_id
WHERE p.tenant_id = $1 AND p.position > $2
ORDER BY p.position
LIMIT $3"""
_OF_ESCROW = """\
FROM operations AS o
JOIN positions AS p ON p.tenant_id = o.tenant_id AND p.operation_id = o.operation_id
WHERE o.tenant_id = $1 AND p.position > $2 AND o.escrow_id = $4
ORDER BY o.escrow_version
LIMIT $3"""
EVENTS = _TOLD + _OF_ALL
EVENT_PLACES = _PLACES + _OF_ALL
EVENTS_OF_ESCROW = _TOLD + _OF_ESCROW
EVENT_PLACES_OF_ESCROW = _PLACES + _OF_ESCROW
SEAL = "SELECT seal_operations($1, $2)"
SEAL_LIMIT_S = 600
"""After a restored dump one statement goes through all operations of a tenant."""


class Place(NamedTuple):
    """A place in a tenant's sequence: a position, and the operation that has it."""

    position: int
    operation_id: UUID


START = Place(0, UUID(int=0))
"""Before the first position."""


class EventRow(NamedTuple):
    """An operation with its position. Its row's version is 0 where it changed no escrow."""

    place: Place
    escrow_id: UUID | None
    change: TimelineRow


class Unsealed(NamedTuple):
    """A tenant with operations that have no position yet."""

    tenant_id: str


async def find_unsealed(pool: asyncpg.Pool, tenants: Iterable[str]) -> list[Unsealed]:
    """The tenants that seem to have operations without a position. After a restored dump it names
    some that have none, until the server's transaction ids have passed the dump's.
    """
    rows = await pool.fetch(UNSEALED_TENANTS, sorted(tenants))
    return [Unsealed(*row) for row in rows]


async def seal_operations(pool: asyncpg.Pool, tenant_id: str, *, most: int) -> int:
    """Gives the operations that are committed the next positions; how many got one. It waits for
    nobody: 0 when another process is at it.
    """
    return int(await pool.fetchval(SEAL, tenant_id, most, timeout=SEAL_LIMIT_S))


async def last_positions(pool: asyncpg.Pool, tenants: Iterable[str]) -> dict[str, int]:
    """The last position of each tenant that has one."""
    return {row[0]: row[1] for row in await pool.fetch(SEALED, list(tenants))}


async def last_place(pool: asyncpg.Pool, tenant_id: str) -> Place:
    """The last place of a tenant's sequence."""
    row = await pool.fetchrow(LAST, tenant_id)
    return Place(*row) if row else START


async def is_place(pool: asyncpg.Pool, tenant_id: str, place: Place) -> bool:
    """Whether the operation has this position in the tenant's sequence."""
    found = await pool.fetchval(OPERATION_AT, tenant_id, place.position)
    return place == START or found == place.operation_id


async def find_events(
    pool: asyncpg.Pool, tenant_id: str, after: Place, *, limit: int, escrow_id: UUID | None = None
) -> list[EventRow | Unreadable[Place]]:
    """What has the next positions after a place: of all, or of one escrow."""
    of_escrow: Collection[UUID] = [] if escrow_id is None else [escrow_id]
    events, places = (
        (EVENTS_OF_ESCROW, EVENT_PLACES_OF_ESCROW) if of_escrow else (EVENTS, EVENT_PLACES)
    )

    async def rows(position: int, most: int) -> list[EventRow]:
        found = await pool.fetch(events, tenant_id, position, most, *of_escrow)
        return [EventRow(Place(*row[:2]), row[2], TimelineRow(*row[3:])) for row in found]

    async def keys() -> list[Place]:
        found = await pool.fetch(places, tenant_id, after.position, limit, *of_escrow)
        return [Place(*row) for row in found]

    async def alone(place: Place) -> EventRow:
        (row,) = await rows(place.position - 1, 1)
        return row

    return await read_all(lambda: rows(after.position, limit), keys, alone)
