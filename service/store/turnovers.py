"""What an escrow's journals moved, account by account."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from service.store.trial_balance import Turnover

OF_ESCROW = """\
SELECT e.book, e.account, e.currency, 0::bigint,
    coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor > 0), 0),
    coalesce(-sum(e.amount_minor) FILTER (WHERE e.amount_minor < 0), 0)
FROM journals AS j
JOIN entries AS e ON e.tenant_id = j.tenant_id AND e.journal_id = j.journal_id
WHERE j.tenant_id = $1 AND j.escrow_id = $2
GROUP BY e.book, e.account, e.currency
ORDER BY e.book DESC, e.account, e.currency"""


async def turnovers_of_escrow(
    pool: asyncpg.Pool, tenant_id: str, escrow_id: UUID
) -> list[Turnover]:
    """Every account that was debited or credited for the escrow, in minor units."""
    rows = await pool.fetch(OF_ESCROW, tenant_id, escrow_id)
    return [Turnover(row[0], row[1], row[2], 0, int(row[4]), int(row[5])) for row in rows]
