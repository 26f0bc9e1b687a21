-- When each milestone was funded: windows and limits count from it, and not from when we learned of
-- it, which an outage makes late.

-- migrate:up

-- A new type before the table changes: the processes of the version before go on with the old one.
CREATE TYPE write_milestone_v3 AS (
    tenant_id text, escrow_id uuid, milestone_id uuid, "position" integer, title text, state text,
    amount_minor bigint, payer_fee_minor bigint, payee_fee_minor bigint, funded_minor bigint,
    released_minor bigint, refunded_minor bigint, lost_minor bigint, frozen_minor bigint,
    payer_fee_gone_minor bigint, payment_id uuid, due_at timestamptz, delivered_at timestamptz,
    funded_at timestamptz
);
ALTER TABLE milestones ADD COLUMN funded_at timestamptz;
COMMENT ON COLUMN milestones.funded_at IS
'when Stripe had the money that funds it. Null while none does';
GRANT UPDATE (funded_at) ON milestones TO escrow_service;

-- Of what was funded before: Stripe's time of the event by which we learned of the success, else
-- when we learned of it.
UPDATE milestones AS m SET
    funded_at = greatest(p.created_at, least(p.observed_at, s.told_at))
FROM payments AS p
LEFT JOIN (
    SELECT
        j.tenant_id,
        j.source_id,
        min(e.occurred_at) AS told_at
    FROM journals AS j
    INNER JOIN operations AS o
        ON j.tenant_id = o.tenant_id AND j.operation_id = o.operation_id
    INNER JOIN stripe_events AS e ON o.tenant_id = e.tenant_id AND o.key = e.event_id
    WHERE
        j.source_type = 'payment' AND j.kind IN ('payment_succeeded', 'payment_unexpected')
        AND o.kind = 'apply_stripe_event'
    GROUP BY j.tenant_id, j.source_id
) AS s
    ON p.tenant_id = s.tenant_id AND s.source_id = 'pay_' || replace(p.payment_id::text, '-', '')
WHERE p.tenant_id = m.tenant_id AND p.payment_id = m.payment_id AND m.funded_minor > 0;

-- Stripe's limit runs since then.
UPDATE deadlines AS d SET
    starts_at = m.funded_at,
    due_at = d.due_at - (d.starts_at - m.funded_at),
    act_at = d.act_at - (d.starts_at - m.funded_at)
FROM milestones AS m
WHERE
    m.tenant_id = d.tenant_id AND m.escrow_id = d.escrow_id AND m.milestone_id = d.subject_id
    AND d.kind = 'HOLD_LIMIT' AND d.starts_at > m.funded_at;

-- migrate:down

ALTER TABLE milestones DROP COLUMN funded_at;
DROP TYPE write_milestone_v3;
