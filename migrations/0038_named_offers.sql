-- Offers in disputes that name what each payee gets (docs/decisions/0053-disputes.md).

-- migrate:up

-- A new type before the table changes: the processes of the version before go on with the old one.
-- They cannot accept an offer that names payees, for its offer_minor is not set, and what they
-- offer takes the place of it, for that sets offer_minor.
CREATE TYPE write_dispute_v2 AS (
    tenant_id text, escrow_id uuid, dispute_id uuid, milestone_id uuid, state text, opened_by text,
    amount_minor bigint, currency text, reason text, statement text, claim_minor bigint,
    people jsonb, created_at timestamptz, updated_at timestamptz, lost_minor bigint, answer text,
    answered_at timestamptz, offer_number integer, offer_by text, offer_minor bigint,
    to_payer_minor bigint, to_payees jsonb, decided_by text, decision text, ended_at timestamptz,
    named_minor bigint, named_payees jsonb
);

ALTER TABLE disputes
ADD COLUMN named_minor bigint,
ADD COLUMN named_payees jsonb NOT NULL DEFAULT '{}',
ADD CONSTRAINT disputes_named CHECK ((named_minor IS NULL) = (named_payees = '{}'));
COMMENT ON COLUMN disputes.offer_minor IS
'what the payer gets by the last offer; not set where that names payees, or is void';
COMMENT ON COLUMN disputes.named_minor IS
'what the payer gets by the last offer that names payees; it is the last one where offer_by is set
and offer_minor is not';
COMMENT ON COLUMN disputes.named_payees IS 'what of the price each payee gets by that offer';
GRANT UPDATE (named_minor, named_payees) ON disputes TO escrow_service;

-- migrate:down

ALTER TABLE disputes
DROP CONSTRAINT disputes_named,
DROP COLUMN named_minor,
DROP COLUMN named_payees;
COMMENT ON COLUMN disputes.offer_minor IS NULL;
DROP TYPE write_dispute_v2;
