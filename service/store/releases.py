"""Released parts that wait for their transfer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

WAITING = """\
SELECT r.tenant_id, r.escrow_id, r.release_id, r.payee_id, r.effect_id, r.refusals
FROM releases AS r
JOIN payees AS z ON z.tenant_id = r.tenant_id AND z.payee_id = r.payee_id
WHERE r.state = 'WAITING' AND r.transfer_at <= $1 AND z.state = 'ACTIVE'
ORDER BY r.transfer_at
LIMIT $2"""
# No operation of the escrow, because nothing was decided.
POSTPONE = """\
UPDATE releases AS r SET transfer_at = $4::timestamptz
    + least(greatest($4::timestamptz - r.created_at, $5::interval), $6::interval)
WHERE r.tenant_id = $1 AND r.escrow_id = $2 AND r.release_id = $3 AND r.state = 'WAITING'"""


@dataclass(frozen=True, slots=True)
class WaitingRelease:
    """A released part whose payee can be paid now."""

    tenant_id: str
    escrow_id: UUID
    release_id: UUID
    payee_id: UUID
    effect_id: UUID | None
    refusals: int


async def find_waiting_releases(
    pool: asyncpg.Pool, now: datetime, *, limit: int
) -> list[WaitingRelease]:
    rows = await pool.fetch(WAITING, now, limit)
    return [WaitingRelease(*row) for row in rows]


async def postpone_release(
    pool: asyncpg.Pool,
    release: WaitingRelease,
    now: datetime,
    shortest: timedelta,
    longest: timedelta,
) -> None:
    """Lets a waiting part wait as long as it has waited already, within these bounds."""
    key = release.tenant_id, release.escrow_id, release.release_id
    await pool.execute(POSTPONE, *key, now, shortest, longest)
