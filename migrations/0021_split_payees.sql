-- Milestones that are paid to several payees. A milestone without a row here is paid to its
-- escrow's payee alone.

-- migrate:up

CREATE TYPE write_milestone_payee AS (
    tenant_id text, escrow_id uuid, milestone_id uuid, "position" integer, payee_id uuid,
    amount_minor bigint, payee_fee_minor bigint, gone_minor bigint, basis_points integer,
    redirected_from integer
);
CREATE TYPE write_refund_part_v2 AS (
    tenant_id text, escrow_id uuid, refund_id uuid, "position" integer, origin text,
    milestone_id uuid, release_id uuid, payee_id uuid, state_before text, price_minor bigint,
    payer_fee_minor bigint, payee_share_minor bigint, settled_share_minor bigint,
    settled_payer_fee_minor bigint, settled_payee_fee_minor bigint, payee_position integer
);

CREATE TABLE milestone_payees (
    tenant_id text NOT NULL,
    escrow_id uuid NOT NULL,
    milestone_id uuid NOT NULL,
    position integer NOT NULL,
    payee_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    payee_fee_minor bigint NOT NULL,
    gone_minor bigint NOT NULL,
    basis_points integer,
    redirected_from integer,
    CONSTRAINT milestone_payees_pkey PRIMARY KEY (tenant_id, escrow_id, milestone_id, position),
    CONSTRAINT milestone_payees_amounts CHECK (
        payee_fee_minor >= 0 AND payee_fee_minor <= amount_minor
        AND gone_minor >= 0 AND gone_minor <= amount_minor
    )
);
COMMENT ON TABLE milestone_payees IS
'What each of several payees of a milestone earns of its price.';
COMMENT ON COLUMN milestone_payees.amount_minor IS 'their part of the price, their fee included';
COMMENT ON COLUMN milestone_payees.gone_minor IS
'what of that was released to them, or taken by refunds before that';
COMMENT ON COLUMN milestone_payees.basis_points IS
'what was agreed, where it was a share of the price';
COMMENT ON COLUMN milestone_payees.redirected_from IS
'the position of the part that an operator gave to this payee';
CREATE INDEX milestone_payees_by_payee ON milestone_payees (tenant_id, payee_id);

ALTER TABLE refund_parts ADD COLUMN payee_position integer;
COMMENT ON COLUMN refund_parts.payee_position IS
'of what was held for several payees, whose part it was: the position in milestone_payees';

GRANT SELECT, INSERT ON milestone_payees TO escrow_service;
GRANT UPDATE (
    payee_id, amount_minor, payee_fee_minor, gone_minor, basis_points, redirected_from
) ON milestone_payees TO escrow_service;
GRANT SELECT ON milestone_payees TO escrow_reader;

-- migrate:down

-- It cannot go back once money was split: the version before would pay it to one payee.
DROP TABLE milestone_payees;
ALTER TABLE refund_parts DROP COLUMN payee_position;
DROP TYPE write_refund_part_v2;
DROP TYPE write_milestone_payee;
