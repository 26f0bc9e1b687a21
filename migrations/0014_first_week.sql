-- What people look up first, and a request id that names one request.

-- migrate:up

-- Support knows a party by the e-mail address.
CREATE INDEX payers_by_email ON payers (tenant_id, email, payer_id);
CREATE INDEX payees_by_email ON payees (tenant_id, email, payee_id);

-- What of a payee's balance is available is summed from the index alone.
CREATE INDEX balance_transactions_availability
ON balance_transactions (tenant_id, stripe_account, currency)
INCLUDE (net_minor, created_at, available_at) WHERE stripe_account IS NOT NULL;
DROP INDEX balance_transactions_of_account;

-- The same columns in another order: a key is found whatever it was used for.
ALTER TABLE operations DROP CONSTRAINT operations_key;
ALTER TABLE operations
ADD CONSTRAINT operations_key UNIQUE (tenant_id, caller, key, kind);
CREATE TYPE read_answer_v2 AS (request_hash bytea, response bytea, kind text);

-- migrate:down

DROP TYPE read_answer_v2;
ALTER TABLE operations DROP CONSTRAINT operations_key;
ALTER TABLE operations
ADD CONSTRAINT operations_key UNIQUE (tenant_id, caller, kind, key);
CREATE INDEX balance_transactions_of_account
ON balance_transactions (tenant_id, stripe_account) WHERE stripe_account IS NOT NULL;
DROP INDEX balance_transactions_availability;
DROP INDEX payers_by_email;
DROP INDEX payees_by_email;
