"""The one sequence of a tenant: every operation gets a position behind its writer, in the order of
commits, dense from 1. docs/decisions/0052-one-sequence.md says why nothing is missed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import asyncpg

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
SEAL = "SELECT seal_operations($1, $2)"


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
    return int(await pool.fetchval(SEAL, tenant_id, most))
