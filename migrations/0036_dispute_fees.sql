-- The fee of a lost chargeback that payees bear (docs/decisions/0054-dispute-fees.md).

-- migrate:up

CREATE TYPE write_chargeback_v3 AS (
    tenant_id text, chargeback_id uuid, escrow_id uuid, payment_id uuid, state text,
    stripe_dispute text, amount_minor bigint, currency text, reason text,
    opened_at timestamptz, created_at timestamptz, updated_at timestamptz, due_by timestamptz,
    settled_currency text, withdrawn_minor bigint, reinstated_minor bigint, fee_minor bigint,
    movements integer, submissions integer, is_appeal boolean, openings integer,
    lost_minor bigint, lost_at timestamptz, settled_at timestamptz, settled_minor bigint,
    borne_minor bigint, settlements integer, passed_on_minor bigint
);

ALTER TABLE chargebacks
ADD COLUMN passed_on_minor bigint NOT NULL DEFAULT 0,
ADD CONSTRAINT chargebacks_passed_on CHECK (
    passed_on_minor >= 0 AND (settled_at IS NOT NULL OR passed_on_minor = 0)
);
COMMENT ON COLUMN chargebacks.passed_on_minor IS
'what of the fee payees owe because of the settlement, or have paid';
GRANT UPDATE (passed_on_minor) ON chargebacks TO escrow_service;
DROP INDEX chargebacks_unsettled;
CREATE INDEX chargebacks_unsettled ON chargebacks (tenant_id, lost_at)
WHERE (state = 'LOST' AND settled_at IS NULL)
OR (
    state IN ('LOST', 'WON', 'PREVENTED', 'INQUIRY_CLOSED')
    AND (withdrawn_minor - reinstated_minor <> settled_minor OR passed_on_minor > fee_minor)
);

ALTER TABLE receivables ALTER COLUMN release_id DROP NOT NULL;
COMMENT ON TABLE receivables IS
'What payees owe: a released share that was refunded to the payer after it had left, or (without
release_id) the fee of a lost chargeback.';
ALTER TABLE releases
DROP CONSTRAINT releases_amounts,
ADD CONSTRAINT releases_amounts CHECK (
    amount_minor >= 0 AND payee_share_minor >= 0 AND payee_share_minor <= amount_minor
    AND payer_fee_minor >= 0 AND (netted_minor >= 0 OR amount_minor = 0)
    AND recalled_minor >= 0 AND recalled_minor <= coalesce(sent_minor, 0)
);
COMMENT ON COLUMN releases.netted_minor IS
'what of the payee''s share paid what they owed, and was not sent; below zero, what is given back';

-- migrate:down

ALTER TABLE releases
DROP CONSTRAINT releases_amounts,
ADD CONSTRAINT releases_amounts CHECK (
    amount_minor >= 0 AND payee_share_minor >= 0 AND payee_share_minor <= amount_minor
    AND payer_fee_minor >= 0 AND netted_minor >= 0
    AND recalled_minor >= 0 AND recalled_minor <= coalesce(sent_minor, 0)
);
COMMENT ON COLUMN releases.netted_minor IS
'what of the payee''s share paid what they owed, and was not sent';
COMMENT ON TABLE receivables IS
'What payees owe: a released share that was refunded to the payer after it had left.';
ALTER TABLE receivables ALTER COLUMN release_id SET NOT NULL;
DROP INDEX chargebacks_unsettled;
CREATE INDEX chargebacks_unsettled ON chargebacks (tenant_id, lost_at)
WHERE (state = 'LOST' AND settled_at IS NULL)
OR (
    state IN ('LOST', 'WON', 'PREVENTED', 'INQUIRY_CLOSED')
    AND withdrawn_minor - reinstated_minor <> settled_minor
);
ALTER TABLE chargebacks
DROP CONSTRAINT chargebacks_passed_on,
DROP COLUMN passed_on_minor;
DROP TYPE write_chargeback_v3;
