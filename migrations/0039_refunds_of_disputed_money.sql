-- What a refund or a lost chargeback took of what the parties argued about
-- (docs/decisions/0053-disputes.md).

-- migrate:up

CREATE TYPE write_refund_v3 AS (
    tenant_id text, refund_id uuid, escrow_id uuid, payment_id uuid, state text,
    amount_minor bigint, currency text, reason text, created_at timestamptz,
    updated_at timestamptz, effect_id uuid, stripe_refund text, failure_code text,
    settled_minor bigint, taken_minor bigint, balance_transaction text, failure_transaction text,
    chargeback_id uuid, disputed_minor bigint
);
ALTER TABLE refunds
ADD COLUMN disputed_minor bigint NOT NULL DEFAULT 0,
ADD CONSTRAINT refunds_disputed CHECK (disputed_minor >= 0 AND disputed_minor <= amount_minor);
COMMENT ON COLUMN refunds.disputed_minor IS
'what it took of open disputes between the parties: disputed again when it comes back';
GRANT UPDATE (disputed_minor) ON refunds TO escrow_service;

-- migrate:down

ALTER TABLE refunds
DROP CONSTRAINT refunds_disputed,
DROP COLUMN disputed_minor;
DROP TYPE write_refund_v3;
