"""What the parties disagree about, and what is frozen for it."""

from __future__ import annotations

from service.store.checks.check import Check

DISPUTES_OF_PARTIES = Check(
    "disputes",
    "a dispute of the parties freezes no more than is left of it, while it is open, and ends once",
    "SELECT count(*) FROM disputes",
    """\
SELECT * FROM (
    SELECT t.tenant_id, t.escrow_id, t.dispute_id, t.state, t.to_payer_minor,
        t.amount_minor - t.lost_minor AS left_minor, f.open, f.frozen_minor,
        t.state IN ('OPEN', 'NEGOTIATION', 'MEDIATION') AS is_open
    FROM disputes AS t
    CROSS JOIN LATERAL (
        SELECT count(*) AS open, coalesce(sum(z.amount_minor), 0) AS frozen_minor
        FROM freezes AS z
        WHERE z.tenant_id = t.tenant_id AND z.escrow_id = t.escrow_id AND z.state = 'OPEN'
        AND z.source = 'dsp_' || replace(t.dispute_id::text, '-', '')
    ) AS f
) AS found
WHERE open <> is_open::integer OR frozen_minor > left_minor OR frozen_minor < 0
    OR (state IN ('RESOLVED', 'DEFAULTED')) <> (to_payer_minor IS NOT NULL)
    OR to_payer_minor NOT BETWEEN 0 AND left_minor""",
)
