-- In which currencies a payee's bank accounts are, where Stripe lets the platform see them.

-- migrate:up

-- A new type before the table changes: the processes of the version before go on with the old one.
CREATE TYPE write_payee_v2 AS (
    tenant_id text, payee_id uuid, version bigint, reference text, name text, email text,
    country text, account_api text, state text, stripe_account text, requirements_due jsonb,
    created_at timestamptz, updated_at timestamptz, bank_currencies jsonb
);
ALTER TABLE payees ADD COLUMN bank_currencies jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN payees.bank_currencies IS
'the currencies of their bank accounts at Stripe; empty where those are not known';

-- migrate:down

ALTER TABLE payees DROP COLUMN bank_currencies;
DROP TYPE write_payee_v2;
