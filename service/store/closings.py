"""How far the books are closed, for operators; ``balances`` closes them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain import ids
from service.domain.errors import NotAllowed

LIST = """\
SELECT c.tenant_id, c.closed_through, c.rolled_up_through, c.due_at FROM closings AS c
ORDER BY c.tenant_id"""
# In this order: a worker that rolls up meanwhile finds no closing, and adds no snapshot.
DISCARD = ("DELETE FROM closings RETURNING tenant_id, now()", "DELETE FROM balance_snapshots")
RECORD = """\
INSERT INTO operations (
    tenant_id, operation_id, kind, caller, party, key, request_hash, transitions, note, trace_id,
    occurred_at
)
VALUES ($1, $2, 'discard_closings', $3, 'operator', $4, '', '[]', $5, '', $6)"""


class Closed(NamedTuple):
    """Ids of journals: what is up to ``rolled_up_through`` is final."""

    tenant_id: str
    closed_through: UUID
    rolled_up_through: UUID
    due_at: datetime


async def list_closings(pool: asyncpg.Pool) -> list[Closed]:
    return [Closed(*row) for row in await pool.fetch(LIST)]


async def discard_closings(
    connection: asyncpg.Connection, *, caller: str, key: str, reason: str
) -> list[str]:
    """Forgets all of them, and every snapshot of balances; the tenants they were of. Each tenant's
    operations keep who did it and why.

    Raises:
        NotAllowed: the login may not do this; the service's own may not.
    """
    try:
        async with connection.transaction():
            closings, _ = [await connection.fetch(statement) for statement in DISCARD]
            await connection.executemany(
                RECORD,
                [(t, ids.new_uuid(now), caller, key, reason, now) for t, now in closings],
            )
    except asyncpg.InsufficientPrivilegeError as error:
        raise NotAllowed(
            "This login may not open closed books: use the one that migrates"
            " (ESCROW_DIRECT_DATABASE_URL)."
        ) from error
    return sorted(tenant_id for tenant_id, _ in closings)
