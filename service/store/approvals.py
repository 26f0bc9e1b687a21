"""What waits for a second person, or did."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import asyncpg

from service.domain.records.approval import Approval
from service.domain.unit import UnitOfWork
from service.store.operations import ANSWERED, KEY, answer_replay, key_arguments
from service.store.pool import ServicePool
from service.store.rows import from_row, select_list, typed
from service.store.shared_loads import IN_ORDER, asked
from service.store.unreadable import Unreadable, read_all

FIND = f"""\
SELECT {select_list(Approval, "a")} FROM approvals AS a
WHERE a.tenant_id = $1 AND a.approval_id = $2"""
FIND_BY_REQUEST = f"""\
SELECT {select_list(Approval, "a")} FROM approvals AS a
WHERE a.tenant_id = $1 AND a.caller = $2 AND a.operation = $3 AND a.key = $4"""
_WAITING = """\
SELECT {columns} FROM approvals AS a
WHERE a.tenant_id = $1 AND a.escrow_id = $2 AND a.state = 'WAITING' AND a.expires_at > $3
ORDER BY a.approval_id
LIMIT $4"""
WAITING = _WAITING.format(columns=select_list(Approval, "a"))
WAITING_IDS = _WAITING.format(columns="a.approval_id")
LOAD = f"""\
SELECT {ANSWERED},
    (SELECT {typed(Approval, "a")} FROM approvals AS a
        WHERE a.tenant_id = q.tenant_id AND a.approval_id = q.approval_id) AS approval
FROM {asked({**KEY, "approval_id": "uuid"})} {IN_ORDER}"""


async def find_approval(pool: asyncpg.Pool, tenant_id: str, approval_id: UUID) -> Approval | None:
    row = await pool.fetchrow(FIND, tenant_id, approval_id)
    return from_row(Approval, row) if row else None


async def find_waiting(
    pool: asyncpg.Pool, tenant_id: str, escrow_id: UUID, now: datetime, limit: int
) -> list[Approval | Unreadable[UUID]]:
    """Those of an escrow that nobody has decided, and that can still be approved; the oldest
    first.
    """
    of_it = tenant_id, escrow_id, now, limit

    async def together() -> list[Approval]:
        return [from_row(Approval, row) for row in await pool.fetch(WAITING, *of_it)]

    async def keys() -> Iterable[UUID]:
        return [row["approval_id"] for row in await pool.fetch(WAITING_IDS, *of_it)]

    return await read_all(together, keys, lambda key: find_approval(pool, tenant_id, key))


async def find_approval_of(pool: asyncpg.Pool, unit: UnitOfWork) -> Approval | None:
    """The approval for which the unit's own request waits, or waited."""
    call = unit.call
    row = await pool.fetchrow(
        FIND_BY_REQUEST, call.tenant_id, call.caller, unit.operation, call.key
    )
    return from_row(Approval, row) if row else None


async def load_approval(pool: ServicePool, unit: UnitOfWork, approval_id: UUID) -> Approval | None:
    """The approval that an operation decides, and whether the operation was done before.

    Raises:
        Answered, RequestIdReused: see ``answer_replay``.
    """
    row = await pool.loads.row(LOAD, *key_arguments(unit), approval_id)
    answer_replay(unit, row["answered"])
    return from_row(Approval, row["approval"]) if row["approval"] else None
