-- A payee's account that was replaced (docs/decisions/0021-replaced-accounts.md). Its book, its payouts and
-- its sweep go on; only the payee's row names another account.

-- migrate:up

CREATE TABLE previous_accounts (
    tenant_id text NOT NULL,
    payee_id uuid NOT NULL,
    stripe_account text NOT NULL,
    state text NOT NULL,
    replaced_at timestamptz NOT NULL,
    CONSTRAINT previous_accounts_pkey PRIMARY KEY (tenant_id, payee_id, stripe_account),
    CONSTRAINT previous_accounts_stripe_account UNIQUE (tenant_id, stripe_account),
    CONSTRAINT previous_accounts_payee FOREIGN KEY (tenant_id, payee_id)
    REFERENCES payees (tenant_id, payee_id)
);
COMMENT ON TABLE previous_accounts IS
'The accounts that payees had before the one in their row. Append-only.';
COMMENT ON COLUMN previous_accounts.state IS 'what had become of it when it was replaced';
CREATE TYPE write_previous_account AS (
    tenant_id text, payee_id uuid, stripe_account text, state text, replaced_at timestamptz
);
GRANT SELECT, INSERT ON previous_accounts TO escrow_service;

-- migrate:down

DROP TYPE write_previous_account;
DROP TABLE previous_accounts;
