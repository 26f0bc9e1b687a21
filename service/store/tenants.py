"""Whose anything here is: asked by people at the command line, never by a call."""

from __future__ import annotations

import asyncpg

# A worker adds a row to sweeps for each tenant when it first serves it, and no row ever leaves.
TENANTS = """\
SELECT tenant_id FROM sweeps WHERE stripe_account = ''
UNION SELECT DISTINCT tenant_id FROM payers
UNION SELECT DISTINCT tenant_id FROM payees
ORDER BY tenant_id"""
IS_SERVED = """\
SELECT EXISTS (SELECT 1 FROM sweeps AS s WHERE s.tenant_id = $1)
    OR EXISTS (SELECT 1 FROM payers AS p WHERE p.tenant_id = $1)
    OR EXISTS (SELECT 1 FROM payees AS p WHERE p.tenant_id = $1)"""


async def find_tenants(pool: asyncpg.Pool) -> list[str]:
    """All that have ever been served, whether they are configured now or not."""
    return [tenant_id for (tenant_id,) in await pool.fetch(TENANTS)]


async def is_served(pool: asyncpg.Pool, tenant_id: str) -> bool:
    """Whether this tenant is among those."""
    return bool(await pool.fetchval(IS_SERVED, tenant_id))
