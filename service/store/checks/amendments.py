"""What was agreed on anew."""

from __future__ import annotations

from service.store.checks.check import Check

AMENDMENTS = Check(
    "amendments",
    "the newest price that was agreed on is the milestone's, by an operation of the escrow",
    "SELECT count(*) FROM proposals WHERE agreed_version IS NOT NULL",
    """\
WITH agreed AS (
    SELECT p.tenant_id, p.escrow_id, p.proposal_id, p.agreed_version, c.change,
        row_number() OVER (
            PARTITION BY p.tenant_id, p.escrow_id, c.change ->> 'milestone_id'
            ORDER BY p.agreed_version DESC
        ) AS age
    FROM proposals AS p
    CROSS JOIN LATERAL jsonb_array_elements(
        CASE jsonb_typeof(p.changes) WHEN 'array' THEN p.changes ELSE '[]' END
    ) AS c (change)
    WHERE p.agreed_version IS NOT NULL
)
SELECT a.tenant_id, a.escrow_id, a.proposal_id, a.agreed_version, m.milestone_id, m.amount_minor
FROM agreed AS a
LEFT JOIN milestones AS m ON m.tenant_id = a.tenant_id AND m.escrow_id = a.escrow_id
    AND m.milestone_id::text = a.change ->> 'milestone_id'
WHERE (a.age = 1 AND (m.amount_minor::text = a.change #>> '{after,fees,0}') IS NOT TRUE)
    OR NOT EXISTS (
        SELECT 1 FROM operations AS o
        WHERE o.tenant_id = a.tenant_id AND o.escrow_id = a.escrow_id
        AND o.escrow_version = a.agreed_version
        AND o.kind IN ('propose_amendment', 'accept_amendment')
    )""",
)
