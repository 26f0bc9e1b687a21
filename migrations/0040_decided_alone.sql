-- What was decided of an escrow without a second person: amounts below a limit add up
-- (docs/decisions/0043-two-pairs-of-eyes.md).

-- migrate:up

-- A new type before the table changes: the processes of the version before go on with the old one.
CREATE TYPE write_escrow_v3 AS (
    tenant_id text, escrow_id uuid, version bigint, reference text, payer_id uuid, payee_id uuid,
    currency text, state text, policy_version integer, metadata jsonb, created_at timestamptz,
    updated_at timestamptz, quoted_currency text, quoted_rate numeric, decided_alone jsonb
);
ALTER TABLE escrows
ADD COLUMN decided_alone jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN escrows.decided_alone IS
'by limit and currency, minor units: decided without a second person since one last approved some';
GRANT UPDATE (decided_alone) ON escrows TO escrow_service;

-- migrate:down

ALTER TABLE escrows DROP COLUMN decided_alone;
DROP TYPE write_escrow_v3;
