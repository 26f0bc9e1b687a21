-- What was quoted of an escrow that Stripe settles in another currency.

-- migrate:up

-- A new type before the table changes: the processes of the version before go on with the old one.
CREATE TYPE write_escrow_v2 AS (
    tenant_id text, escrow_id uuid, version bigint, reference text, payer_id uuid, payee_id uuid,
    currency text, state text, policy_version integer, metadata jsonb, created_at timestamptz,
    updated_at timestamptz, quoted_currency text, quoted_rate numeric
);
ALTER TABLE escrows
ADD COLUMN quoted_currency text,
ADD COLUMN quoted_rate numeric;
COMMENT ON COLUMN escrows.quoted_currency IS
'what Stripe would convert it into, when it was created; null where nothing is converted';
COMMENT ON COLUMN escrows.quoted_rate IS
'what one whole unit came to there at that time; null where Stripe did not say';

-- migrate:down

ALTER TABLE escrows DROP COLUMN quoted_rate, DROP COLUMN quoted_currency;
DROP TYPE write_escrow_v2;
