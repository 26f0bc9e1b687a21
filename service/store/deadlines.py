"""The queue of deadlines: leased to the process that acts on them, the earliest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from service.domain import ids
from service.domain.records.deadline import DeadlineKind
from service.store.pool import ServicePool, lease_tenant_by_tenant

# What a later version begins is left to its workers.
_KNOWN = ", ".join(f"'{kind.value}'" for kind in DeadlineKind)
_DUE = (
    f"d.act_at <= $1 AND (d.leased_until IS NULL OR d.leased_until <= $1) AND d.kind IN ({_KNOWN})"
)
# Of one escrow the earlier comes first, also when another process has it; one that was put off
# holds up no other.
_LEASE = f"""\
WITH chosen AS (
    SELECT d.tenant_id, d.escrow_id, d.deadline_id FROM deadlines AS d
    WHERE {{which}}
    AND NOT EXISTS (
        SELECT 1 FROM deadlines AS b
        WHERE b.tenant_id = {{tenant_of_d}} AND b.escrow_id = d.escrow_id AND b.act_at <= $1
        AND b.refusal IS NULL AND (b.act_at, b.deadline_id) < (d.act_at, d.deadline_id)
        AND b.kind IN ({_KNOWN})
    )
    ORDER BY d.act_at, d.deadline_id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE deadlines AS d SET leased_until = $2
    FROM chosen
    WHERE d.tenant_id = {{tenant}} AND d.escrow_id = chosen.escrow_id
    AND d.deadline_id = chosen.deadline_id
    RETURNING d.tenant_id, d.escrow_id, d.deadline_id, d.kind, d.tries, d.act_at
)
SELECT * FROM leased ORDER BY act_at, deadline_id"""
LEASE_DUE = _LEASE.format(which=_DUE, tenant="chosen.tenant_id", tenant_of_d="d.tenant_id")
# On a cluster no statement locks rows of two tenants: those with work are found first.
DUE_TENANTS = (
    f"SELECT d.tenant_id FROM deadlines AS d WHERE {_DUE}"
    " GROUP BY d.tenant_id ORDER BY min(d.act_at)"
)
LEASE_DUE_OF_TENANT = _LEASE.format(
    which=f"d.tenant_id = $4 AND {_DUE}", tenant="$4", tenant_of_d="$4"
)
# No operation of the escrow, because nothing was decided.
PUT_OFF = """\
UPDATE deadlines AS d SET act_at = $5, refusal = $6, tries = d.tries + 1, leased_until = NULL
WHERE d.tenant_id = $1 AND d.escrow_id = $2 AND d.deadline_id = $3 AND d.tries = $4"""


@dataclass(frozen=True, slots=True)
class DueDeadline:
    """A deadline that a process may act on now."""

    tenant_id: str
    escrow_id: UUID
    deadline_id: UUID
    kind: str
    tries: int

    @property
    def public_id(self) -> str:
        return ids.show(ids.DEADLINE, self.deadline_id)


async def lease_due_deadlines(
    pool: ServicePool, now: datetime, *, lease: timedelta, limit: int
) -> list[DueDeadline]:
    """Takes deadlines that are due, of any tenant; no other worker gets them during the lease."""
    until = now + lease
    if pool.engine.per_tenant:
        rows = await lease_tenant_by_tenant(
            pool, DUE_TENANTS, LEASE_DUE_OF_TENANT, now, until, limit
        )
    else:
        rows = await pool.fetch(LEASE_DUE, now, until, limit)
    return [DueDeadline(*row[:5]) for row in rows]


async def put_off_deadline(
    pool: asyncpg.Pool, due: DueDeadline, until: datetime, refusal: str
) -> None:
    """Lets it wait for what stands in its way; no longer when somebody acted on it meanwhile."""
    key = due.tenant_id, due.escrow_id, due.deadline_id
    await pool.execute(PUT_OFF, *key, due.tries, until, refusal)
