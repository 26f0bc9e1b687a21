"""What waits, for the gauges. Read by partial indexes that hold nothing else, and at most
``MOST`` rows of each: a longer queue is reported as that long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import asyncpg

from service.domain.accounts import BROUGHT_UNEXPLAINED, SUSPENSE, TAKEN_UNEXPLAINED
from service.domain.postings import JournalKind
from service.domain.records.effect import NEEDS_PERSON
from service.store.chargebacks import UNSETTLED, WAITS_FOR_EVIDENCE

MOST = 10_000
EVIDENCE_SOON_H = 48

# Each: kind, state, how many, since when the oldest waits, when the first of them was or is due.
WAITING: Mapping[str, str] = {
    "effects": f"""\
SELECT kind, state, count(*), min(created_at), min(due_at)
FROM (
    SELECT kind, state, created_at, due_at FROM effects
    WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN') ORDER BY due_at LIMIT {MOST}
) AS open GROUP BY kind, state""",
    # Open effects that somebody has to look at, because Stripe's answer does not fit.
    "strange_answers": f"""\
SELECT '', 'UNKNOWN', count(*), min(created_at), NULL::timestamptz
FROM (
    SELECT error, created_at FROM effects
    WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN') ORDER BY due_at LIMIT {MOST}
) AS open WHERE error ? '{NEEDS_PERSON}' HAVING count(*) > 0""",
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
    "refunds": f"""\
SELECT '', state, count(*), min(created_at), NULL::timestamptz
FROM (
    SELECT state, created_at FROM refunds
    WHERE state IN ('REQUESTED', 'PENDING', 'REQUIRES_ACTION', 'FAILED')
    ORDER BY created_at LIMIT {MOST}
) AS open GROUP BY state""",
    "receivables": f"""\
SELECT '', state, count(*), min(created_at), min(recover_at)
FROM (
    SELECT state, created_at, recover_at FROM receivables
    WHERE state <> 'SETTLED' ORDER BY created_at LIMIT {MOST}
) AS open GROUP BY state""",
    # Of those that were not put off, the next: only what is due has an age.
    "deadlines": f"""\
SELECT kind, CASE WHEN refusal IS NULL THEN 'RUNNING' ELSE 'PUT_OFF' END, count(*), min(due_at),
    min(act_at)
FROM (
    SELECT kind, refusal, due_at, act_at FROM deadlines
    WHERE act_at IS NOT NULL ORDER BY act_at, deadline_id LIMIT {MOST}
) AS next GROUP BY 1, 2""",
    # Money that Stripe lets nobody hold much longer, by how much of the time has passed.
    "hold_limits": f"""\
SELECT '', warned_percent::text, count(*), min(starts_at), NULL::timestamptz
FROM (
    SELECT warned_percent, starts_at FROM deadlines
    WHERE warned_percent > 0 ORDER BY tenant_id, deadline_id LIMIT {MOST}
) AS warned GROUP BY warned_percent""",
    # Chargebacks for which nobody has submitted evidence, by how near its deadline is. An inquiry
    # that was not answered in time just waits.
    "evidence": f"""\
SELECT '',
    CASE WHEN due_by <= now() + interval '{EVIDENCE_SOON_H} hours' THEN 'DUE_SOON'
        ELSE 'WAITING' END,
    count(*), min(opened_at), min(due_by)
FROM (
    SELECT due_by, opened_at FROM chargebacks
    WHERE {WAITS_FOR_EVIDENCE.format(row="chargebacks")} AND due_by > now() AND isfinite(due_by)
    ORDER BY due_by LIMIT {MOST}
) AS open GROUP BY 2""",
    # Losses of which nobody has said who bears them, and what moved after somebody had.
    "chargebacks": f"""\
SELECT '', 'UNSETTLED', count(*), min(coalesce(lost_at, updated_at)), NULL::timestamptz
FROM (
    SELECT lost_at, updated_at FROM chargebacks
    WHERE {UNSETTLED.format(row="chargebacks")} ORDER BY tenant_id, lost_at LIMIT {MOST}
) AS unsettled HAVING count(*) > 0""",
    "freezes": f"""\
SELECT reason, 'OPEN', count(*), min(created_at), NULL::timestamptz
FROM (
    SELECT reason, created_at FROM freezes WHERE state = 'OPEN' ORDER BY created_at LIMIT {MOST}
) AS open GROUP BY reason""",
    # Payments for what no longer waited for them.
    "suspense": f"""\
SELECT '', 'OPEN', count(*), min(j.created_at), NULL::timestamptz
FROM (
    SELECT tenant_id, split_part(account, ':', 3) AS id FROM balances
    WHERE account LIKE '{SUSPENSE.like}' AND balance_minor > 0 ORDER BY account LIMIT {MOST}
) AS open
JOIN journals AS j ON j.tenant_id = open.tenant_id AND j.source_type = 'payment'
    AND j.source_id = open.id AND j.kind = '{JournalKind.PAYMENT_UNEXPECTED}'
HAVING count(*) > 0""",
    # What touches an escrow is frozen there; what touches none has nobody who looks after it.
    "unexplained": f"""\
SELECT CASE WHEN j.escrow_id IS NULL THEN 'unowned' ELSE 'owned' END, 'OPEN', count(*),
    min(j.created_at), NULL::timestamptz
FROM (
    SELECT tenant_id, split_part(account, ':', 3) AS id FROM balances
    WHERE (account LIKE '{TAKEN_UNEXPLAINED.like}' OR account LIKE '{BROUGHT_UNEXPLAINED.like}')
    AND balance_minor > 0
    ORDER BY account LIMIT {MOST}
) AS open
JOIN balance_transactions AS t
    ON t.tenant_id = open.tenant_id AND t.balance_transaction_id = open.id
JOIN journals AS j ON j.tenant_id = t.tenant_id AND j.journal_id = t.journal_id
GROUP BY 1""",
    # Accounts at Stripe for which the last comparison found a difference.
    "differences": f"""\
SELECT '', 'FOUND', count(*), min(compared_at), NULL::timestamptz
FROM (
    SELECT compared_at FROM sweeps WHERE differences IS NOT NULL ORDER BY compared_at LIMIT {MOST}
) AS differing HAVING count(*) > 0""",
    # What waits for a second person; what nobody approved in time waits no more.
    "approvals": f"""\
SELECT '', 'WAITING', count(*), min(created_at), NULL::timestamptz
FROM (
    SELECT created_at, expires_at FROM approvals WHERE state = 'WAITING'
    ORDER BY expires_at DESC LIMIT {MOST}
) AS open WHERE expires_at > now() HAVING count(*) > 0""",
    "settlements": f"""\
SELECT '', 'SUCCEEDED', count(*), min(updated_at), NULL::timestamptz
FROM (
    SELECT updated_at FROM payments
    WHERE state = 'SUCCEEDED' AND stripe_balance_transaction IS NULL
    ORDER BY updated_at LIMIT {MOST}
) AS unsettled HAVING count(*) > 0""",
}
# Rows of a tenant, which are due again and again, while the tenant is configured.
OF_TENANTS: Mapping[str, str] = {
    "closings": """\
SELECT '', '', count(*), min(due_at), min(due_at) FROM closings
WHERE tenant_id = ANY($1::text[]) HAVING count(*) > 0""",
    # Operations that have no position in their tenant's sequence yet.
    "sealings": f"""\
SELECT '', '', count(*), min(u.occurred_at), min(u.occurred_at)
FROM unnest($1::text[]) AS t (tenant_id)
LEFT JOIN sealings AS s ON s.tenant_id = t.tenant_id
CROSS JOIN LATERAL (
    SELECT o.tenant_id, o.operation_id, o.occurred_at FROM operations AS o
    WHERE o.tenant_id = t.tenant_id AND o.transaction_id >= coalesce(s.sealed_below, 0)
    UNION ALL
    SELECT o.tenant_id, o.operation_id, o.occurred_at FROM unnest(s.still_open) AS open (id)
    JOIN operations AS o ON o.tenant_id = t.tenant_id AND o.transaction_id = open.id
    LIMIT {MOST}
) AS u
LEFT JOIN positions AS p ON p.tenant_id = u.tenant_id AND p.operation_id = u.operation_id
WHERE p.operation_id IS NULL HAVING count(*) > 0""",
    "sweeps": """\
SELECT '', '', count(*), min(due_at), min(due_at) FROM sweeps
WHERE tenant_id = ANY($1::text[]) AND stripe_account = '' HAVING count(*) > 0""",
}


class Waiting(NamedTuple):
    """The items of a queue that are of one kind and in one state; there is at least one."""

    queue: str
    kind: str
    state: str
    items: int
    oldest_at: datetime
    due_at: datetime | None


async def find_waiting(pool: asyncpg.Pool, tenants: Iterable[str]) -> list[Waiting]:
    """What waits in every queue; what is done again and again only of these ``tenants``."""
    found = [
        Waiting(queue, *row)
        for queue, statement in WAITING.items()
        for row in await pool.fetch(statement)
    ]
    named = sorted(tenants)
    return found + [
        Waiting(queue, *row)
        for queue, statement in OF_TENANTS.items()
        for row in await pool.fetch(statement, named)
    ]
