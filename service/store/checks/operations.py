"""What was done, and by which operation."""

from __future__ import annotations

from service.store.checks.check import Check

TIMELINE = Check(
    "timeline",
    "every version of an escrow is one operation, without a gap",
    "SELECT count(*) FROM escrows",
    """\
SELECT e.tenant_id, e.escrow_id, e.version, count(o.operation_id) AS operations
FROM escrows AS e
LEFT JOIN operations AS o ON o.tenant_id = e.tenant_id AND o.escrow_id = e.escrow_id
GROUP BY e.tenant_id, e.escrow_id, e.version
HAVING count(o.operation_id) <> e.version OR max(o.escrow_version) <> e.version""",
)
EVENTS = Check(
    "events",
    "an event that was processed left the operation that did it",
    "SELECT count(*) FROM stripe_events",
    """\
SELECT s.tenant_id, s.event_id, s.type FROM stripe_events AS s
WHERE s.state = 'PROCESSED' AND NOT EXISTS (
    SELECT 1 FROM operations AS o
    WHERE o.tenant_id = s.tenant_id AND o.caller = 'stripe'
    AND o.kind = 'apply_stripe_event' AND o.key = s.event_id
)""",
)
