"""The snapshots of balances."""

from __future__ import annotations

from service.store.checks.check import Check

# Each is compared with the one before it, so that every entry is read once.
SNAPSHOTS = Check(
    "snapshots",
    "every snapshot of a balance is the sum of the entries up to it",
    "SELECT count(*) FROM balance_snapshots",
    """\
SELECT * FROM (
    SELECT s.tenant_id, s.account, s.currency, s.through, s.balance_minor, s.entries,
        coalesce(s.balance_before_minor, 0) + coalesce(newer.sum_minor, 0) AS books_minor,
        coalesce(s.entries_before, 0) + newer.entries AS books_entries
    FROM (
        SELECT *, lag(through) OVER earlier AS after,
            lag(balance_minor) OVER earlier AS balance_before_minor,
            lag(entries) OVER earlier AS entries_before
        FROM balance_snapshots
        WINDOW earlier AS (PARTITION BY tenant_id, account, currency ORDER BY through)
    ) AS s
    CROSS JOIN LATERAL (
        SELECT sum(e.amount_minor) AS sum_minor, count(*) AS entries FROM entries AS e
        WHERE e.tenant_id = s.tenant_id AND e.account = s.account AND e.currency = s.currency
        AND e.journal_id > coalesce(s.after, '00000000-0000-0000-0000-000000000000')
        AND e.journal_id <= s.through
    ) AS newer
) AS compared WHERE balance_minor <> books_minor OR entries <> books_entries""",
)
