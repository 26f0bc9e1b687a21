-- Stripe's limit of holding money for what is on its way at the upgrade: it runs until the money is
-- with the payee or the payer (docs/decisions/0041-time.md).

-- migrate:up

INSERT INTO deadlines (
    tenant_id, escrow_id, deadline_id, subject_id, kind, starts_at, due_at, act_at,
    warned_percent, tries
)
SELECT
    held.tenant_id,
    held.escrow_id,
    gen_random_uuid() AS deadline_id,
    held.milestone_id,
    'HOLD_LIMIT' AS kind,
    held.since,
    held.since + held.days * interval '1 day' AS due_at,
    held.since + held.days * interval '1 day' * 0.75 AS act_at,
    0 AS warned_percent,
    0 AS tries
FROM (
    SELECT
        m.tenant_id,
        m.escrow_id,
        m.milestone_id,
        coalesce(m.funded_at, paid.observed_at) AS since,
        (
            SELECT min(CASE p.country WHEN 'US' THEN 730 WHEN 'TH' THEN 10 ELSE 90 END)
            FROM payees AS p
            WHERE
                p.tenant_id = m.tenant_id
                AND p.payee_id = any(coalesce(
                    (
                        SELECT array_agg(part.payee_id) FROM milestone_payees AS part
                        WHERE
                            part.tenant_id = m.tenant_id
                            AND part.escrow_id = m.escrow_id
                            AND part.milestone_id = m.milestone_id
                    ),
                    ARRAY[e.payee_id]
                ))
        ) AS days
    FROM milestones AS m
    INNER JOIN escrows AS e ON m.tenant_id = e.tenant_id AND m.escrow_id = e.escrow_id
    LEFT JOIN payments AS paid
        ON m.tenant_id = paid.tenant_id AND m.payment_id = paid.payment_id
    WHERE m.state IN ('RELEASING', 'REFUNDING')
) AS held
WHERE
    held.since IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM deadlines AS d
        WHERE
            d.tenant_id = held.tenant_id
            AND d.escrow_id = held.escrow_id
            AND d.subject_id = held.milestone_id
            AND d.kind = 'HOLD_LIMIT'
    );

-- migrate:down

DELETE FROM deadlines AS d USING milestones AS m
WHERE
    d.kind = 'HOLD_LIMIT' AND d.tenant_id = m.tenant_id AND d.escrow_id = m.escrow_id
    AND d.subject_id = m.milestone_id AND m.state IN ('RELEASING', 'REFUNDING');
