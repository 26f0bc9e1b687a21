"""What must hold of journals and entries by themselves."""

from __future__ import annotations

from service.store.checks.check import Check

ZERO_SUM = Check(
    "I1 zero sum",
    "the entries of a journal sum to zero per book and currency",
    "SELECT count(*) FROM journals",
    """\
SELECT tenant_id, journal_id, book, currency, sum(amount_minor) AS off_minor FROM entries
GROUP BY tenant_id, journal_id, book, currency HAVING sum(amount_minor) <> 0""",
)
BOOKED_ONCE = Check(
    "I7 told once",
    "a fact of the world is booked once",
    "SELECT count(*) FROM journals",
    """\
SELECT tenant_id, source_type, source_id, kind, count(*) FROM journals
GROUP BY tenant_id, source_type, source_id, kind HAVING count(*) > 1""",
)
MOMENTS = Check(
    "moments",
    "a journal's id is of the moment at which it was booked",
    "SELECT count(*) FROM journals",
    """\
SELECT tenant_id, journal_id, created_at, id_of::text FROM (
    SELECT tenant_id, journal_id, created_at, timestamptz 'epoch' + interval '1 millisecond'
        * ('x' || left(replace(journal_id::text, '-', ''), 12))::bit(48)::bigint AS id_of
    FROM journals
) AS compared
WHERE created_at < id_of OR created_at >= id_of + interval '1 millisecond'""",
)
APPEND_ONLY = Check(
    "I9 append-only",
    "no program can change or remove what was booked, or what Stripe said",
    "SELECT 120",
    """\
SELECT role, name, privilege
FROM unnest(ARRAY['escrow_reader', 'escrow_service', 'escrow_worker']) AS role,
    unnest(
        ARRAY['operations', 'journals', 'entries', 'line_items', 'balance_snapshots',
            'balance_transactions', 'previous_accounts', 'policies',
            'chargeback_evidence', 'origins', 'positions', 'dispute_evidence', 'dispute_files']
    ) AS name,
    unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
WHERE has_table_privilege(role, name, privilege)
OR privilege = 'UPDATE' AND has_any_column_privilege(role, name, privilege)
UNION ALL
SELECT role, 'stripe_events.payload', 'UPDATE'
FROM unnest(ARRAY['escrow_reader', 'escrow_service', 'escrow_worker']) AS role
WHERE has_column_privilege(role, 'stripe_events', 'payload', 'UPDATE')""",
)
