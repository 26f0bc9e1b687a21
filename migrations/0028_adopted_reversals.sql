-- What came back of a transfer is counted in the transfer's own currency, for a reversal that
-- somebody made at Stripe takes any amount of it.

-- migrate:up

CREATE TYPE write_release_v4 AS (
    tenant_id text, release_id uuid, escrow_id uuid, milestone_id uuid, payee_id uuid,
    payment_id uuid, amount_minor bigint, payee_share_minor bigint, currency text, state text,
    effect_id uuid, transfer_at timestamptz, created_at timestamptz, updated_at timestamptz,
    refusals integer, stripe_transfer text, refusal_code text, transfer_currency text,
    transfer_minor bigint, payer_fee_minor bigint, netted_minor bigint, sent_minor bigint,
    recalled_minor bigint, settled_payer_fee_minor bigint, settled_payee_fee_minor bigint,
    destination text, recalled_transfer_minor bigint
);
CREATE TYPE write_receivable_v2 AS (
    tenant_id text, receivable_id uuid, version bigint, payee_id uuid, escrow_id uuid,
    release_id uuid, refund_id uuid, state text, amount_minor bigint, currency text,
    created_at timestamptz, updated_at timestamptz, reversible_minor bigint,
    reversal_currency text, reversal_minor bigint, stripe_account text, stripe_transfer text,
    reversed_minor bigint, netted_minor bigint, written_off_minor bigint, canceled_minor bigint,
    effect_id uuid, refusals integer, refusal_code text, recover_at timestamptz,
    brought_minor bigint
);

-- Without a value it is pro rata, as it was until now.
ALTER TABLE releases ADD COLUMN recalled_transfer_minor bigint;
COMMENT ON COLUMN releases.recalled_transfer_minor IS
'what recalled_minor is of the transfer, in its currency; pro rata where it is not set';
ALTER TABLE receivables ADD COLUMN brought_minor bigint;
COMMENT ON COLUMN receivables.brought_minor IS
'what of reversal_minor has come back; pro rata where it is not set';
GRANT UPDATE (recalled_transfer_minor) ON releases TO escrow_service;
GRANT UPDATE (brought_minor) ON receivables TO escrow_service;

-- migrate:down

ALTER TABLE receivables DROP COLUMN brought_minor;
ALTER TABLE releases DROP COLUMN recalled_transfer_minor;
DROP TYPE write_receivable_v2;
DROP TYPE write_release_v4;
