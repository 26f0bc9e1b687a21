-- What people look up first: a party by its e-mail address, what of a payee's balance is available.

-- migrate:up

CREATE INDEX payers_by_email ON payers (tenant_id, email, payer_id);
CREATE INDEX payees_by_email ON payees (tenant_id, email, payee_id);

-- migrate:down

DROP INDEX payers_by_email;
DROP INDEX payees_by_email;
