"""What waits, for the gauges. Read by partial indexes that hold nothing else, and at most
``MOST`` rows of each: a longer queue is reported as that long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import asyncpg

MOST = 10_000

# Each: kind, state, how many, since when the oldest waits, when the first of them was or is due.
WAITING: Mapping[str, str] = {
    "effects": f"""\
SELECT kind, state, count(*), min(created_at), min(due_at)
FROM (
    SELECT kind, state, created_at, due_at FROM effects
    WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN') ORDER BY due_at LIMIT {MOST}
) AS open GROUP BY kind, state""",
    "inbox": f"""\
SELECT '', state, count(*), min(received_at), min(due_at)
FROM (
    SELECT state, received_at, due_at FROM stripe_events
    WHERE state IN ('RECEIVED', 'PARKED') ORDER BY due_at LIMIT {MOST}
) AS open GROUP BY state""",
    "set_aside": f"""\
SELECT '', state, count(*), min(received_at), NULL::timestamptz
FROM (
    SELECT state, received_at FROM stripe_events
    WHERE state IN ('QUARANTINED', 'SUSPENSE') ORDER BY received_at LIMIT {MOST}
) AS shown GROUP BY state""",
    # Most of them wait for their payee; due are those whose payee can be paid.
    "transfers": f"""\
SELECT '', 'WAITING', count(*), min(r.created_at),
    min(r.transfer_at) FILTER (WHERE z.state = 'ACTIVE')
FROM (
    SELECT tenant_id, payee_id, created_at, transfer_at FROM releases
    WHERE state = 'WAITING' ORDER BY transfer_at LIMIT {MOST}
) AS r
JOIN payees AS z ON z.tenant_id = r.tenant_id AND z.payee_id = r.payee_id
HAVING count(*) > 0""",
    "settlements": f"""\
SELECT '', 'SUCCEEDED', count(*), min(updated_at), NULL::timestamptz
FROM (
    SELECT updated_at FROM payments
    WHERE state = 'SUCCEEDED' AND stripe_balance_transaction IS NULL
    ORDER BY updated_at LIMIT {MOST}
) AS unsettled HAVING count(*) > 0""",
}
# A row for each tenant, which is due again and again, while the tenant is configured.
CLOSINGS = """\
SELECT '', '', count(*), min(due_at), min(due_at) FROM closings
WHERE tenant_id = ANY($1::text[]) HAVING count(*) > 0"""


class Waiting(NamedTuple):
    """The items of a queue that are of one kind and in one state; there is at least one."""

    queue: str
    kind: str
    state: str
    items: int
    oldest_at: datetime
    due_at: datetime | None


async def find_waiting(pool: asyncpg.Pool, tenants: Iterable[str]) -> list[Waiting]:
    """What waits in every queue, of whatever tenant; closings are those of ``tenants``."""
    found = [
        Waiting(queue, *row)
        for queue, statement in WAITING.items()
        for row in await pool.fetch(statement)
    ]
    closings = await pool.fetch(CLOSINGS, sorted(tenants))
    return found + [Waiting("closings", *row) for row in closings]
