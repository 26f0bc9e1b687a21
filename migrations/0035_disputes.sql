-- Disputes between the parties of an escrow (docs/decisions/0053-disputes.md).

-- migrate:up

CREATE TYPE write_dispute AS (
    tenant_id text, escrow_id uuid, dispute_id uuid, milestone_id uuid, state text, opened_by text,
    amount_minor bigint, currency text, reason text, statement text, claim_minor bigint,
    people jsonb, created_at timestamptz, updated_at timestamptz, lost_minor bigint, answer text,
    answered_at timestamptz, offer_number integer, offer_by text, offer_minor bigint,
    to_payer_minor bigint, to_payees jsonb, decided_by text, decision text, ended_at timestamptz
);

CREATE TABLE disputes (
    tenant_id text NOT NULL,
    escrow_id uuid NOT NULL,
    dispute_id uuid NOT NULL,
    milestone_id uuid NOT NULL,
    state text NOT NULL,
    opened_by text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    statement text NOT NULL,
    claim_minor bigint NOT NULL,
    people jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    lost_minor bigint NOT NULL,
    answer text,
    answered_at timestamptz,
    offer_number integer NOT NULL,
    offer_by text,
    offer_minor bigint,
    to_payer_minor bigint,
    to_payees jsonb NOT NULL,
    decided_by text,
    decision text,
    ended_at timestamptz,
    CONSTRAINT disputes_pkey PRIMARY KEY (tenant_id, escrow_id, dispute_id),
    CONSTRAINT disputes_lose_no_more CHECK (lost_minor BETWEEN 0 AND amount_minor),
    CONSTRAINT disputes_claim_no_more CHECK (claim_minor BETWEEN 0 AND amount_minor)
);
COMMENT ON TABLE disputes IS
'What the parties of an escrow disagree about; its open freeze has the id of it as source.';
COMMENT ON COLUMN disputes.claim_minor IS
'how much of amount_minor goes to the payer by the wish of who opened it';
COMMENT ON COLUMN disputes.lost_minor IS
'what of amount_minor the payer''s bank took, or a refund at Stripe, while the parties argued';
COMMENT ON COLUMN disputes.people IS 'who acted for a party: none of them may resolve it';
COMMENT ON COLUMN disputes.to_payees IS 'the outcome: what of the price each payee gets';

CREATE INDEX disputes_by_id ON disputes (tenant_id, dispute_id);
CREATE INDEX disputes_open ON disputes (tenant_id, dispute_id)
WHERE state IN ('OPEN', 'NEGOTIATION', 'MEDIATION');

GRANT SELECT, INSERT ON disputes TO escrow_service;
GRANT UPDATE (
    milestone_id, state, opened_by, amount_minor, currency, reason, statement, claim_minor, people,
    created_at, updated_at, lost_minor, answer, answered_at, offer_number, offer_by, offer_minor,
    to_payer_minor, to_payees, decided_by, decision, ended_at
) ON disputes TO escrow_service;
GRANT SELECT ON disputes TO escrow_reader;

-- migrate:down

DROP TABLE disputes;
DROP TYPE write_dispute;
