"""The queue of effects: leased to the process that sends them, each attempt recorded first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from service.domain.records.effect import Effect, EffectKind
from service.store.pool import ServicePool, lease_tenant_by_tenant
from service.store.rows import from_row, select_list
from service.store.unreadable import read_leased

# The attempt is in the database before the call: whatever dies after this, we know it may have
# been sent. A lease that ran out means that its worker died, maybe after sending.
_LEASE = f"""\
WITH chosen AS (
    SELECT tenant_id, effect_id FROM effects
    WHERE {{which}}
    ORDER BY due_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE effects AS f
    SET state = 'SENDING', version = f.version + 1, attempts = f.attempts + 1,
        lease_expires_at = $2, due_at = $2, updated_at = $1,
        key_used_at = coalesce(f.key_used_at, $1)
    FROM chosen
    WHERE f.tenant_id = {{tenant}} AND f.effect_id = chosen.effect_id
    RETURNING {select_list(Effect, "f")}
), recorded AS (
    INSERT INTO effect_attempts (tenant_id, effect_id, attempt, generation, started_at)
    SELECT tenant_id, effect_id, attempts, generation, $1 FROM leased
    RETURNING 1
)
SELECT * FROM leased"""
# What a later version plans is left to its workers.
_KNOWN = ", ".join(f"'{kind.value}'" for kind in EffectKind)
_DUE = f"state IN ('PLANNED', 'SENDING', 'UNKNOWN') AND due_at <= $1 AND kind IN ({_KNOWN})"
LEASE_DUE = _LEASE.format(which=_DUE, tenant="chosen.tenant_id")
LEASE_ONE = _LEASE.format(which=f"tenant_id = $4 AND effect_id = $5\n    AND {_DUE}", tenant="$4")
# On a cluster no statement locks rows of two tenants: those with work are found first.
DUE_TENANTS = f"SELECT tenant_id FROM effects WHERE {_DUE} GROUP BY tenant_id ORDER BY min(due_at)"
LEASE_DUE_OF_TENANT = _LEASE.format(which=f"tenant_id = $4 AND {_DUE}", tenant="$4")
LEASED_UNTIL = """\
SELECT tenant_id, effect_id FROM effects
WHERE state = 'SENDING' AND due_at = $1 AND lease_expires_at = $1"""
END_ATTEMPT = """\
UPDATE effect_attempts SET ended_at = $4, outcome = $5, detail = $6
WHERE tenant_id = $1 AND effect_id = $2 AND attempt = $3"""
FIND = (
    f"SELECT {select_list(Effect, 'f')} FROM effects AS f"
    " WHERE f.tenant_id = $1 AND f.effect_id = $2"
)
ATTEMPTS = """\
SELECT attempt, generation, started_at, ended_at, outcome, detail FROM effect_attempts
WHERE tenant_id = $1 AND effect_id = $2
ORDER BY attempt DESC
LIMIT $3"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that an effect was sent or looked up; one without an end is under way, or its
    process died.
    """

    attempt: int
    generation: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    detail: str | None


async def lease_due_effects(
    pool: ServicePool, now: datetime, *, lease: timedelta, limit: int
) -> list[Effect]:
    """Takes effects that are due, of any tenant; no other worker gets them during the lease."""
    until = now + lease

    async def together() -> list[Effect]:
        if pool.engine.per_tenant:
            rows = await lease_tenant_by_tenant(
                pool, DUE_TENANTS, LEASE_DUE_OF_TENANT, now, until, limit
            )
        else:
            rows = await pool.fetch(LEASE_DUE, now, until, limit)
        return [from_row(Effect, row) for row in rows]

    async def keys() -> list[tuple[str, UUID]]:
        return [(row[0], row[1]) for row in await pool.fetch(LEASED_UNTIL, until)]

    return await read_leased(together, keys, lambda key: find_effect(pool, *key))


async def lease_effect(
    pool: asyncpg.Pool, tenant_id: str, effect_id: UUID, now: datetime, *, lease: timedelta
) -> Effect | None:
    """Takes one effect; None when it is done, not due or leased to another process."""
    row = await pool.fetchrow(LEASE_ONE, now, now + lease, 1, tenant_id, effect_id)
    return from_row(Effect, row) if row else None


async def end_attempt(
    pool: asyncpg.Pool, effect: Effect, now: datetime, outcome: str, detail: str
) -> None:
    """Records how the attempt that this lease began has ended."""
    key = effect.tenant_id, effect.effect_id, effect.attempts
    await pool.execute(END_ATTEMPT, *key, now, outcome, detail)


async def find_effect(pool: asyncpg.Pool, tenant_id: str, effect_id: UUID) -> Effect | None:
    row = await pool.fetchrow(FIND, tenant_id, effect_id)
    return from_row(Effect, row) if row else None


async def find_attempts(
    pool: asyncpg.Pool, tenant_id: str, effect_id: UUID, *, limit: int
) -> list[Attempt]:
    """The newest attempts, the oldest of them first."""
    rows = await pool.fetch(ATTEMPTS, tenant_id, effect_id, limit)
    return [Attempt(*row) for row in reversed(rows)]
