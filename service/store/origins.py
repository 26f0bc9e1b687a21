"""From where the parties of an escrow acted."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from service.domain.records.origin import Origin
from service.store.rows import from_row, select_list

OF_ESCROW = f"""\
SELECT {select_list(Origin, "g")} FROM origins AS g
WHERE g.tenant_id = $1 AND g.escrow_id = $2
ORDER BY g.escrow_version
LIMIT $3"""


async def find_origins(
    pool: asyncpg.Pool, tenant_id: str, escrow_id: UUID, *, limit: int
) -> list[Origin]:
    """Those that were told, the first ones first."""
    rows = await pool.fetch(OF_ESCROW, tenant_id, escrow_id, limit)
    return [from_row(Origin, row) for row in rows]
