"""What runs against time."""

from __future__ import annotations

from service.store.chargebacks import WAITS_FOR_EVIDENCE
from service.store.checks.check import Check

DEADLINES = Check(
    "deadlines",
    "a deadline runs only while what it is of waits for that",
    "SELECT count(*) FROM deadlines",
    f"""\
SELECT d.tenant_id, d.escrow_id, d.deadline_id, d.subject_id, d.kind
FROM deadlines AS d
WHERE NOT EXISTS (
    SELECT 1 FROM milestones AS m
    WHERE m.tenant_id = d.tenant_id AND m.escrow_id = d.escrow_id
    AND d.subject_id IN (m.milestone_id, m.escrow_id)
    AND (d.kind, m.state) IN (
        ('PAYMENT', 'AWAITING_FUNDS'), ('DELIVERY', 'FUNDED'), ('INSPECTION', 'DELIVERED'),
        ('HOLD_LIMIT', 'FUNDED'), ('HOLD_LIMIT', 'DELIVERED'),
        ('HOLD_LIMIT', 'RELEASING'), ('HOLD_LIMIT', 'REFUNDING')
    )
)
AND NOT EXISTS (
    SELECT 1 FROM proposals AS p
    WHERE p.tenant_id = d.tenant_id AND p.escrow_id = d.escrow_id
    AND p.proposal_id = d.subject_id AND p.state = 'OPEN' AND d.kind = 'ANSWER'
)
AND NOT EXISTS (
    SELECT 1 FROM disputes AS t
    WHERE t.tenant_id = d.tenant_id AND t.escrow_id = d.escrow_id
    AND t.dispute_id = d.subject_id AND d.kind = 'DISPUTE'
    AND t.state IN ('OPEN', 'NEGOTIATION', 'MEDIATION')
)
AND NOT EXISTS (
    SELECT 1 FROM chargebacks AS c
    WHERE c.tenant_id = d.tenant_id AND c.escrow_id = d.escrow_id
    AND c.chargeback_id = d.subject_id AND c.due_by = d.due_at AND d.kind = 'EVIDENCE'
    AND {WAITS_FOR_EVIDENCE.format(row="c")}
)""",
)
