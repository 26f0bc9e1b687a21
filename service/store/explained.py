"""What is told of an escrow beyond its own rows: its money, what is open, and what came later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain.records.approval import Approval
from service.domain.records.effect import Effect
from service.store.escrows import BY_ESCROW, found_by, records_of
from service.store.policies import NEWEST_POLICY
from service.store.pool import ServicePool
from service.store.rows import from_row, typed
from service.store.shared_loads import asked
from service.store.tables import EscrowRecords

# With the version of the escrow, by which one knows that it is of the same moment as what else was
# read. Every journal of an escrow is written with a new version of it.
MOVEMENTS = """\
SELECT x.version, e.account, e.currency, j.kind, count(*),
    coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor > 0), 0),
    coalesce(-sum(e.amount_minor) FILTER (WHERE e.amount_minor < 0), 0),
    min(j.created_at), max(j.created_at)
FROM escrows AS x
LEFT JOIN journals AS j
    ON j.tenant_id = x.tenant_id AND j.escrow_id = x.escrow_id AND j.created_at <= $3
LEFT JOIN entries AS e ON e.tenant_id = j.tenant_id AND e.journal_id = j.journal_id
WHERE x.tenant_id = $1 AND x.escrow_id = $2
GROUP BY x.version, e.book, e.account, e.currency, j.kind
ORDER BY e.book DESC, e.account, e.currency, min(j.created_at), j.kind"""
FIND_STANDING = f"""\
SELECT found.*,
    {NEWEST_POLICY},
    ARRAY(SELECT {typed(Effect, "f")} FROM effects AS f
        WHERE f.tenant_id = q.tenant_id AND f.escrow_id = q.name
        AND f.state IN ('PLANNED', 'SENDING', 'UNKNOWN')
        ORDER BY f.effect_id) AS open_effects,
    ARRAY(SELECT {typed(Approval, "a")} FROM approvals AS a
        WHERE a.tenant_id = q.tenant_id AND a.escrow_id = q.name
        AND a.state = 'WAITING' AND a.expires_at > q.now
        ORDER BY a.approval_id) AS waiting_approvals
FROM {asked({"tenant_id": "text", "name": "uuid", "now": "timestamptz"})}
{found_by(BY_ESCROW)}"""
CHANGED_AFTER = """\
SELECT transitions FROM operations
WHERE tenant_id = $1 AND escrow_id = $2 AND escrow_version > 0 AND occurred_at > $3
ORDER BY escrow_version"""


@dataclass(slots=True)
class Standing:
    """An escrow as it is now: the calls to Stripe that are open for it, and what waits for a second
    person, the oldest first, and the newest version of its tenant's policy.
    """

    records: EscrowRecords
    effects: list[Effect]
    approvals: list[Approval]
    newest_policy: int


class Movement(NamedTuple):
    """What the journals of a kind have moved on an account, in minor units of a currency."""

    account: str
    currency: str
    kind: str
    journals: int
    debit_minor: int
    credit_minor: int
    first_at: datetime
    last_at: datetime


async def find_movements(
    pool: asyncpg.Pool, tenant_id: str, escrow_id: UUID, until: datetime
) -> tuple[int, list[Movement]]:
    """The version of the escrow, and what was booked for it until then, account by account. The
    version is 0 where there is no such escrow.
    """
    rows = await pool.fetch(MOVEMENTS, tenant_id, escrow_id, until)
    booked = [
        Movement(row[1], row[2], row[3], row[4], int(row[5]), int(row[6]), row[7], row[8])
        for row in rows
        if row["account"] is not None  # there is none before the first payment
    ]
    return (rows[0]["version"] if rows else 0), booked


async def find_standing(
    pool: ServicePool, tenant_id: str, escrow_id: UUID, now: datetime
) -> Standing | None:
    """All of one moment, in one round trip; None where there is no such escrow."""
    row = await pool.loads.row(FIND_STANDING, tenant_id, escrow_id, now)
    if row["found_id"] is None:
        return None
    return Standing(
        records_of(row),
        [from_row(Effect, each) for each in row["open_effects"]],
        [from_row(Approval, each) for each in row["waiting_approvals"]],
        row["policy_version"],
    )


async def find_changes_after(
    pool: asyncpg.Pool, tenant_id: str, escrow_id: UUID, moment: datetime
) -> list[Sequence[str]]:
    """The changes of states since, the oldest first: (subject, before, after)."""
    rows = await pool.fetch(CHANGED_AFTER, tenant_id, escrow_id, moment)
    return [each for row in rows for each in row[0]]
