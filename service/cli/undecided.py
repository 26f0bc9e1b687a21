"""``escrow undecided``: balance transactions at Stripe that cannot be booked yet, and why."""

from __future__ import annotations

import asyncio

from service.cli.operating import Tenant
from service.cli.printing import AsJson, people, print_json
from service.cli.tables import print_table, table
from service.config import DatabaseRole, load_settings
from service.database import pooled_database
from service.store.for_operators import Undecided, list_undecided

MOST = 1_000


def undecided(tenant: Tenant = "default", *, as_json: AsJson = False) -> None:
    """Lists them, the oldest 1,000. After a day they are booked as unexplained."""

    async def read() -> list[Undecided]:
        async with pooled_database(load_settings(), DatabaseRole.READER) as pool:
            return await list_undecided(pool, tenant, limit=MOST)

    found = asyncio.run(read())
    if as_json:
        listed = [
            {
                "balance_transaction_id": each.balance_transaction_id,
                "stripe_account": each.stripe_account,
                "reason": each.reason,
                "first_seen_time": each.first_seen_at,
                "due_time": each.due_at,
            }
            for each in found
        ]
        print_json({"tenant": tenant, "balance_transactions": listed})
    elif found:
        rows = [
            {
                "balance transaction": each.balance_transaction_id,
                "account": each.stripe_account or "platform",
                "since": f"{each.first_seen_at:%Y-%m-%d %H:%M:%S} UTC",
                "reason": each.reason,
            }
            for each in found
        ]
        print_table(table(rows))
    else:
        people.print("every balance transaction that was read is booked")
