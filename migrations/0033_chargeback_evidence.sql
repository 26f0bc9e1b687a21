-- What was sent to Stripe against chargebacks (docs/decisions/0051-evidence.md).

-- migrate:up

CREATE TYPE write_chargeback_evidence AS (
    tenant_id text, evidence_id uuid, escrow_id uuid, chargeback_id uuid, step text, stage text,
    evidence_hash text, given jsonb, fields jsonb, effect_id uuid, generation integer, caller text,
    created_at timestamptz
);
CREATE TYPE write_origin AS (
    tenant_id text, escrow_id uuid, escrow_version bigint, client_ip text, user_agent text,
    created_at timestamptz
);

CREATE TABLE chargeback_evidence (
    tenant_id text NOT NULL,
    evidence_id uuid NOT NULL,
    escrow_id uuid NOT NULL,
    chargeback_id uuid NOT NULL,
    step text NOT NULL,
    stage text NOT NULL,
    evidence_hash text NOT NULL,
    given jsonb NOT NULL,
    fields jsonb NOT NULL,
    effect_id uuid NOT NULL,
    generation integer NOT NULL,
    caller text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT chargeback_evidence_pkey PRIMARY KEY (tenant_id, evidence_id)
);
COMMENT ON TABLE chargeback_evidence IS
'What was staged at Stripe, or submitted, against a chargeback; its effect says what came of it.';
COMMENT ON COLUMN chargeback_evidence.step IS 'STAGED or SUBMITTED';
COMMENT ON COLUMN chargeback_evidence.stage IS
'what of the dispute it answers: its inquiry, or the chargeback; each takes evidence once';
COMMENT ON COLUMN chargeback_evidence.given IS 'what operators gave, by Stripe''s names of fields';
COMMENT ON COLUMN chargeback_evidence.fields IS 'all that was sent, by Stripe''s names of fields';
CREATE INDEX chargeback_evidence_by_chargeback
ON chargeback_evidence (tenant_id, chargeback_id, evidence_id);

CREATE TABLE origins (
    tenant_id text NOT NULL,
    escrow_id uuid NOT NULL,
    escrow_version bigint NOT NULL,
    client_ip text NOT NULL,
    user_agent text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT origins_pkey PRIMARY KEY (tenant_id, escrow_id, escrow_version)
);
COMMENT ON TABLE origins IS
'From where parties acted, as callers say: of the operation that made this version of the escrow.';

CREATE INDEX chargebacks_to_answer ON chargebacks (due_by)
WHERE state IN ('NEEDS_RESPONSE', 'INQUIRY');

GRANT SELECT, INSERT ON chargeback_evidence TO escrow_service;
GRANT SELECT ON chargeback_evidence TO escrow_reader;
GRANT SELECT, INSERT ON origins TO escrow_service;
GRANT SELECT ON origins TO escrow_reader;

-- migrate:down

DROP INDEX chargebacks_to_answer;
DROP TABLE origins;
DROP TYPE write_origin;
DROP TABLE chargeback_evidence;
DROP TYPE write_chargeback_evidence;
