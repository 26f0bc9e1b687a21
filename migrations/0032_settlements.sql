-- Who bears a lost chargeback (docs/decisions/0050-settlements.md).

-- migrate:up

CREATE TYPE write_chargeback_v2 AS (
    tenant_id text, chargeback_id uuid, escrow_id uuid, payment_id uuid, state text,
    stripe_dispute text, amount_minor bigint, currency text, reason text,
    opened_at timestamptz, created_at timestamptz, updated_at timestamptz, due_by timestamptz,
    settled_currency text, withdrawn_minor bigint, reinstated_minor bigint, fee_minor bigint,
    movements integer, submissions integer, is_appeal boolean, openings integer,
    lost_minor bigint, lost_at timestamptz, settled_at timestamptz, settled_minor bigint,
    borne_minor bigint, settlements integer
);
CREATE TYPE write_refund_v2 AS (
    tenant_id text, refund_id uuid, escrow_id uuid, payment_id uuid, state text,
    amount_minor bigint, currency text, reason text, created_at timestamptz,
    updated_at timestamptz, effect_id uuid, stripe_refund text, failure_code text,
    settled_minor bigint, taken_minor bigint, balance_transaction text, failure_transaction text,
    chargeback_id uuid
);

ALTER TABLE chargebacks
ADD COLUMN lost_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN lost_at timestamptz,
ADD COLUMN settled_at timestamptz,
ADD COLUMN settled_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN borne_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN settlements integer NOT NULL DEFAULT 0,
ADD CONSTRAINT chargebacks_settled CHECK (
    settlements >= 0 AND lost_minor >= 0
    AND (settled_at IS NOT NULL OR (settled_minor = 0 AND borne_minor = 0))
);
COMMENT ON COLUMN chargebacks.lost_minor IS
'what of the disputed amount Stripe has taken and not given back, in the currency that was paid';
COMMENT ON COLUMN chargebacks.lost_at IS 'when it was lost last, by our clock';
COMMENT ON COLUMN chargebacks.settled_at IS 'since when somebody bears what is gone';
COMMENT ON COLUMN chargebacks.settled_minor IS
'what of what is gone somebody bears, in the settled currency';
COMMENT ON COLUMN chargebacks.borne_minor IS 'what of that the platform bears';
COMMENT ON COLUMN chargebacks.settlements IS
'how often it was settled, those among them that were taken back';
CREATE INDEX chargebacks_unsettled ON chargebacks (tenant_id, lost_at)
WHERE (state = 'LOST' AND settled_at IS NULL)
OR (
    state IN ('LOST', 'WON', 'PREVENTED', 'INQUIRY_CLOSED')
    AND withdrawn_minor - reinstated_minor <> settled_minor
);
UPDATE chargebacks SET lost_at = updated_at
WHERE state = 'LOST';
UPDATE chargebacks SET
    lost_minor = CASE
        WHEN settled_currency = currency THEN greatest(withdrawn_minor - reinstated_minor, 0)
        WHEN 2 * reinstated_minor > withdrawn_minor THEN 0
        ELSE div(amount_minor::numeric * (withdrawn_minor - reinstated_minor), withdrawn_minor)
    END
WHERE withdrawn_minor > 0;
GRANT UPDATE (
    lost_minor, lost_at, settled_at, settled_minor, borne_minor, settlements
) ON chargebacks TO escrow_service;

ALTER TABLE refunds ADD COLUMN chargeback_id uuid;
COMMENT ON COLUMN refunds.chargeback_id IS
'the lost chargeback that took it, where it is no refund at Stripe';
GRANT UPDATE (chargeback_id) ON refunds TO escrow_service;

-- migrate:down

ALTER TABLE refunds DROP COLUMN chargeback_id;
DROP INDEX chargebacks_unsettled;
ALTER TABLE chargebacks
DROP CONSTRAINT chargebacks_settled,
DROP COLUMN lost_minor,
DROP COLUMN lost_at,
DROP COLUMN settled_at,
DROP COLUMN settled_minor,
DROP COLUMN borne_minor,
DROP COLUMN settlements;
DROP TYPE write_refund_v2;
DROP TYPE write_chargeback_v2;
