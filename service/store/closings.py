"""How far the books are closed, for operators; ``balances`` closes them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain.errors import NotAllowed

LIST = """\
SELECT c.tenant_id, c.closed_through, c.rolled_up_through, c.due_at FROM closings AS c
ORDER BY c.tenant_id"""
# In this order: a worker that rolls up meanwhile finds no closing, and adds no snapshot.
DISCARD = ("DELETE FROM closings", "DELETE FROM balance_snapshots")


class Closed(NamedTuple):
    """Ids of journals: what is up to ``rolled_up_through`` is final."""

    tenant_id: str
    closed_through: UUID
    rolled_up_through: UUID
    due_at: datetime


async def list_closings(pool: asyncpg.Pool) -> list[Closed]:
    return [Closed(*row) for row in await pool.fetch(LIST)]


async def discard_closings(connection: asyncpg.Connection) -> int:
    """Forgets all of them, and every snapshot of balances; how many tenants they were of.

    Raises:
        NotAllowed: the login may not do this; the service's own may not.
    """
    try:
        async with connection.transaction():
            closings, _ = [await connection.execute(statement) for statement in DISCARD]
    except asyncpg.InsufficientPrivilegeError as error:
        raise NotAllowed(
            "This login may not open closed books: use the one that migrates"
            " (ESCROW_DIRECT_DATABASE_URL)."
        ) from error
    return int(closings.rpartition(" ")[2])
