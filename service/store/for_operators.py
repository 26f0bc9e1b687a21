"""What operators list on the command line: open freezes, deadlines that wait for somebody, and what
cannot be booked yet. Open items are few, and found by partial indexes that hold nothing else; only
then they are put in order.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

OPEN_FREEZES = """\
WITH open AS MATERIALIZED (SELECT * FROM freezes WHERE tenant_id = $1 AND state = 'OPEN')
SELECT z.freeze_id, z.escrow_id, z.milestone_id, z.payment_id, z.reason, z.source, z.fact,
    z.amount_minor, z.beyond_minor, x.currency,
    to_char(z.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at
FROM open AS z
JOIN escrows AS x ON x.tenant_id = $1 AND x.escrow_id = z.escrow_id
WHERE z.freeze_id > $2
ORDER BY z.freeze_id
LIMIT $3"""
# Those that wait for somebody: put off because of a refusal, or near Stripe's limit.
DEADLINES = """\
WITH open AS MATERIALIZED (
    SELECT * FROM deadlines WHERE tenant_id = $1 AND refusal IS NOT NULL
    UNION
    SELECT * FROM deadlines WHERE tenant_id = $1 AND warned_percent > 0
)
SELECT z.deadline_id, z.escrow_id, z.subject_id, z.kind,
    to_char(z.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS due_at,
    to_char(z.act_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS act_at,
    z.warned_percent, z.tries, z.refusal
FROM open AS z
WHERE z.deadline_id > $2
ORDER BY z.deadline_id
LIMIT $3"""
OPEN_PROPOSALS = """\
WITH open AS MATERIALIZED (SELECT * FROM proposals WHERE tenant_id = $1 AND state = 'OPEN')
SELECT z.proposal_id, z.escrow_id, z.kind, z.proposed_by, z.deadline_id,
    to_char(z.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS due_at, z.reason,
    to_char(z.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at
FROM open AS z
WHERE z.proposal_id > $2
ORDER BY z.proposal_id
LIMIT $3"""
UNDECIDED = """\
SELECT u.stripe_account, u.balance_transaction_id, u.reason, u.first_seen_at, u.due_at
FROM undecided_transactions AS u
WHERE u.tenant_id = $1 AND u.decided_at IS NULL
ORDER BY u.first_seen_at
LIMIT $2"""


class OpenFreeze(NamedTuple):
    """An amount that may not move, in minor units; ``created_at`` in RFC 3339, whatever it is."""

    freeze_id: UUID
    escrow_id: UUID
    milestone_id: UUID
    payment_id: UUID
    reason: str
    source: str
    fact: str
    amount_minor: int
    beyond_minor: int
    currency: str
    created_at: str


class OpenDeadline(NamedTuple):
    """A deadline that was put off, or warns; the times in RFC 3339, whatever they are."""

    deadline_id: UUID
    escrow_id: UUID
    subject_id: UUID
    kind: str
    due_at: str
    act_at: str | None
    warned_percent: int
    tries: int
    refusal: str | None


class OpenProposal(NamedTuple):
    """What one party asks; the times in RFC 3339, whatever they are."""

    proposal_id: UUID
    escrow_id: UUID
    kind: str
    proposed_by: str
    deadline_id: UUID | None
    due_at: str | None
    reason: str
    created_at: str


class Undecided(NamedTuple):
    """A balance transaction that cannot be booked yet, and why; no account is the platform's."""

    stripe_account: str
    balance_transaction_id: str
    reason: str
    first_seen_at: datetime
    due_at: datetime


async def list_freezes(
    pool: asyncpg.Pool, tenant_id: str, *, after: UUID, limit: int
) -> list[OpenFreeze]:
    """The oldest open freezes after one of them."""
    return [OpenFreeze(*row) for row in await pool.fetch(OPEN_FREEZES, tenant_id, after, limit)]


async def list_deadlines(
    pool: asyncpg.Pool, tenant_id: str, *, after: UUID, limit: int
) -> list[OpenDeadline]:
    """The oldest of them after one."""
    return [OpenDeadline(*row) for row in await pool.fetch(DEADLINES, tenant_id, after, limit)]


async def list_proposals(
    pool: asyncpg.Pool, tenant_id: str, *, after: UUID, limit: int
) -> list[OpenProposal]:
    """The oldest open ones after one of them."""
    rows = await pool.fetch(OPEN_PROPOSALS, tenant_id, after, limit)
    return [OpenProposal(*row) for row in rows]


async def list_undecided(pool: asyncpg.Pool, tenant_id: str, *, limit: int) -> list[Undecided]:
    """The oldest of them."""
    return [Undecided(*row) for row in await pool.fetch(UNDECIDED, tenant_id, limit)]
