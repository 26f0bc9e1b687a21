-- Money that goes back to payers, and what payees owe because of it.
--
-- Replace all processes of the release before at once: what they release after this migration would
-- not say what fee went with it.

-- migrate:up

-- New types before the tables change: the processes of the version before go on with the old ones.
CREATE TYPE write_milestone_v2 AS (
    tenant_id text, escrow_id uuid, milestone_id uuid, "position" integer, title text, state text,
    amount_minor bigint, payer_fee_minor bigint, payee_fee_minor bigint, funded_minor bigint,
    released_minor bigint, refunded_minor bigint, lost_minor bigint, frozen_minor bigint,
    payer_fee_gone_minor bigint, payment_id uuid, due_at timestamptz, delivered_at timestamptz
);
CREATE TYPE write_payment_v4 AS (
    tenant_id text, payment_id uuid, escrow_id uuid, payer_id uuid, method text, capture text,
    amount_minor bigint, currency text, state text, created_at timestamptz,
    updated_at timestamptz, stripe_payment_intent text, stripe_checkout_session text,
    stripe_charge text, stripe_balance_transaction text, processing_fee_minor bigint,
    failure_code text, failure_decline_code text, failure_message text, observed_at timestamptz,
    settled_currency text, settled_minor bigint, converted_minor bigint, received_minor bigint,
    converted_into_minor bigint
);
CREATE TYPE write_release_v3 AS (
    tenant_id text, release_id uuid, escrow_id uuid, milestone_id uuid, payee_id uuid,
    payment_id uuid, amount_minor bigint, payee_share_minor bigint, currency text, state text,
    effect_id uuid, transfer_at timestamptz, created_at timestamptz, updated_at timestamptz,
    refusals integer, stripe_transfer text, refusal_code text, transfer_currency text,
    transfer_minor bigint, payer_fee_minor bigint, netted_minor bigint, sent_minor bigint,
    recalled_minor bigint, settled_payer_fee_minor bigint, settled_payee_fee_minor bigint,
    destination text
);
CREATE TYPE write_refund AS (
    tenant_id text, refund_id uuid, escrow_id uuid, payment_id uuid, state text,
    amount_minor bigint, currency text, reason text, created_at timestamptz,
    updated_at timestamptz, effect_id uuid, stripe_refund text, failure_code text,
    settled_minor bigint, taken_minor bigint, balance_transaction text, failure_transaction text
);
CREATE TYPE write_refund_part AS (
    tenant_id text, escrow_id uuid, refund_id uuid, "position" integer, origin text,
    milestone_id uuid, release_id uuid, payee_id uuid, state_before text, price_minor bigint,
    payer_fee_minor bigint, payee_share_minor bigint, settled_share_minor bigint,
    settled_payer_fee_minor bigint, settled_payee_fee_minor bigint
);
CREATE TYPE write_receivable AS (
    tenant_id text, receivable_id uuid, version bigint, payee_id uuid, escrow_id uuid,
    release_id uuid, refund_id uuid, state text, amount_minor bigint, currency text,
    created_at timestamptz, updated_at timestamptz, reversible_minor bigint,
    reversal_currency text, reversal_minor bigint, stripe_account text, stripe_transfer text,
    reversed_minor bigint, netted_minor bigint, written_off_minor bigint, canceled_minor bigint,
    effect_id uuid, refusals integer, refusal_code text, recover_at timestamptz
);

-- A milestone's fee goes in parts; the rest of it is the difference to what has gone.
ALTER TABLE milestones ADD COLUMN payer_fee_gone_minor bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN milestones.payer_fee_gone_minor IS
'what of the payer''s fee went with what was released, refunded or lost';
UPDATE milestones AS m SET
    payer_fee_gone_minor = div(
        (m.released_minor + m.refunded_minor + m.lost_minor)::numeric
        * (m.payer_fee_minor / s.step),
        m.amount_minor
    ) * s.step
FROM (
    SELECT
        e.tenant_id,
        e.escrow_id,
        CASE
            WHEN e.currency IN ('ISK', 'UGX') THEN 100
            WHEN e.currency IN ('BHD', 'JOD', 'KWD', 'OMR', 'TND') THEN 10
            ELSE 1
        END AS step
    FROM escrows AS e
) AS s
WHERE
    s.tenant_id = m.tenant_id AND s.escrow_id = m.escrow_id
    AND m.released_minor + m.refunded_minor + m.lost_minor > 0;

ALTER TABLE payments ADD COLUMN converted_into_minor bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN payments.converted_into_minor IS
'what converted_minor came to, in the settled currency';
UPDATE payments SET
    converted_into_minor = div(
        settled_minor::numeric * converted_minor, coalesce(received_minor, amount_minor)
    )
WHERE settled_minor IS NOT NULL;

ALTER TABLE releases
ADD COLUMN payer_fee_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN netted_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN sent_minor bigint,
ADD COLUMN recalled_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN settled_payer_fee_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN settled_payee_fee_minor bigint NOT NULL DEFAULT 0,
ADD COLUMN destination text,
DROP CONSTRAINT releases_amounts,
ADD CONSTRAINT releases_amounts CHECK (
    amount_minor >= 0 AND payee_share_minor >= 0 AND payee_share_minor <= amount_minor
    AND payer_fee_minor >= 0 AND netted_minor >= 0 AND recalled_minor >= 0
    AND recalled_minor <= coalesce(sent_minor, 0)
);
COMMENT ON TABLE releases IS
'What payees were given. Amounts are what of it stands: a refund takes its part out of them.';
COMMENT ON COLUMN releases.payer_fee_minor IS 'what of the payer''s fee the platform earned by it';
COMMENT ON COLUMN releases.netted_minor IS
'what of the payee''s share paid what they owed, and was not sent';
COMMENT ON COLUMN releases.sent_minor IS 'what of the payee''s share the transfer took';
COMMENT ON COLUMN releases.recalled_minor IS 'what of that is to come back, or has';
COMMENT ON COLUMN releases.destination IS 'the account at Stripe that the transfer went to';
UPDATE releases AS r SET payer_fee_minor = coalesce((
    SELECT -e.amount_minor FROM journals AS j
    INNER JOIN entries AS e ON j.tenant_id = e.tenant_id AND j.journal_id = e.journal_id
    WHERE
        j.tenant_id = r.tenant_id AND j.source_type = 'release'
        AND j.source_id = 'rel_' || replace(r.release_id::text, '-', '') AND j.kind = 'released'
        AND e.account = 'rev:platform_fee'
), 0);
UPDATE releases AS r SET
    settled_payer_fee_minor = coalesce((
        SELECT -e.amount_minor FROM journals AS j
        INNER JOIN entries AS e ON j.tenant_id = e.tenant_id AND j.journal_id = e.journal_id
        WHERE
            j.tenant_id = r.tenant_id AND j.source_type = 'release'
            AND j.source_id = 'rel_' || replace(r.release_id::text, '-', '')
            AND j.kind = 'fees_converted'
            AND e.account = 'rev:platform_fee' AND e.amount_minor < 0
    ), 0), settled_payee_fee_minor = coalesce((
        SELECT -e.amount_minor FROM journals AS j
        INNER JOIN entries AS e ON j.tenant_id = e.tenant_id AND j.journal_id = e.journal_id
        WHERE
            j.tenant_id = r.tenant_id AND j.source_type = 'release'
            AND j.source_id = 'rel_' || replace(r.release_id::text, '-', '')
            AND j.kind = 'fees_converted'
            AND e.account = 'rev:service_fee' AND e.amount_minor < 0
    ), 0)
FROM payments AS p
WHERE p.tenant_id = r.tenant_id AND p.payment_id = r.payment_id AND p.settled_currency IS NOT NULL;
UPDATE releases AS r SET sent_minor = r.payee_share_minor, destination = f.request ->> 'destination'
FROM effects AS f
WHERE
    f.tenant_id = r.tenant_id AND f.effect_id = r.effect_id
    AND r.state IN ('IN_FLIGHT', 'TRANSFERRED');

CREATE TABLE refunds (
    tenant_id text NOT NULL,
    refund_id uuid NOT NULL,
    escrow_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    state text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    effect_id uuid,
    stripe_refund text,
    failure_code text,
    settled_minor bigint,
    taken_minor bigint,
    balance_transaction text,
    failure_transaction text,
    CONSTRAINT refunds_pkey PRIMARY KEY (tenant_id, escrow_id, refund_id),
    CONSTRAINT refunds_amount_positive CHECK (amount_minor > 0)
);
COMMENT ON TABLE refunds IS 'Money on its way back to a payer: one refund of one charge at Stripe.';
COMMENT ON COLUMN refunds.settled_minor IS
'what the amount was of the charge in the currency that Stripe settled it in';
COMMENT ON COLUMN refunds.taken_minor IS
'what Stripe took for it, in that currency, at its day''s rate';
CREATE UNIQUE INDEX refunds_by_stripe_refund ON refunds (tenant_id, stripe_refund)
WHERE stripe_refund IS NOT NULL;
CREATE INDEX refunds_open ON refunds (created_at)
WHERE state IN ('REQUESTED', 'PENDING', 'REQUIRES_ACTION', 'FAILED');
CREATE INDEX refunds_by_id ON refunds (tenant_id, refund_id);

CREATE TABLE refund_parts (
    tenant_id text NOT NULL,
    escrow_id uuid NOT NULL,
    refund_id uuid NOT NULL,
    position integer NOT NULL,
    origin text NOT NULL,
    milestone_id uuid,
    release_id uuid,
    payee_id uuid,
    state_before text,
    price_minor bigint NOT NULL,
    payer_fee_minor bigint NOT NULL,
    payee_share_minor bigint NOT NULL,
    settled_share_minor bigint NOT NULL,
    settled_payer_fee_minor bigint NOT NULL,
    settled_payee_fee_minor bigint NOT NULL,
    CONSTRAINT refund_parts_pkey PRIMARY KEY (tenant_id, escrow_id, refund_id, position),
    CONSTRAINT refund_parts_amounts CHECK (
        price_minor >= 0 AND payer_fee_minor >= 0 AND payee_share_minor BETWEEN 0 AND price_minor
    )
);
COMMENT ON TABLE refund_parts IS
'Where the money of a refund was: held, payable to a payee, or with them already. Append-only.';

CREATE TABLE receivables (
    tenant_id text NOT NULL,
    receivable_id uuid NOT NULL,
    version bigint NOT NULL,
    payee_id uuid NOT NULL,
    escrow_id uuid NOT NULL,
    release_id uuid NOT NULL,
    refund_id uuid NOT NULL,
    state text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    reversible_minor bigint NOT NULL,
    reversal_currency text NOT NULL,
    reversal_minor bigint NOT NULL,
    stripe_account text,
    stripe_transfer text,
    reversed_minor bigint NOT NULL,
    netted_minor bigint NOT NULL,
    written_off_minor bigint NOT NULL,
    canceled_minor bigint NOT NULL,
    effect_id uuid,
    refusals integer NOT NULL,
    refusal_code text,
    recover_at timestamptz,
    CONSTRAINT receivables_pkey PRIMARY KEY (tenant_id, receivable_id),
    CONSTRAINT receivables_amounts CHECK (
        amount_minor > 0 AND reversible_minor BETWEEN 0 AND amount_minor AND reversal_minor >= 0
        AND reversed_minor >= 0 AND netted_minor >= 0 AND written_off_minor >= 0
        AND canceled_minor >= 0
        AND reversed_minor + netted_minor + written_off_minor + canceled_minor <= amount_minor
    )
);
COMMENT ON TABLE receivables IS
'What payees owe: a released share that was refunded to the payer after it had left.';
COMMENT ON COLUMN receivables.reversible_minor IS
'what of it can come back by reversing the transfer';
COMMENT ON COLUMN receivables.reversal_minor IS 'what that is in the currency of the transfer';
CREATE INDEX receivables_owed ON receivables (tenant_id, payee_id) WHERE state <> 'SETTLED';
CREATE INDEX receivables_to_recover ON receivables (recover_at)
WHERE state = 'OWED' AND recover_at IS NOT NULL;
CREATE INDEX receivables_open ON receivables (created_at) WHERE state <> 'SETTLED';
CREATE INDEX receivables_reversing ON receivables (tenant_id, stripe_account)
WHERE state = 'REVERSING';
CREATE INDEX effects_reversals ON effects (tenant_id, stripe_object)
WHERE kind = 'reverse_transfer';
CREATE INDEX receivables_of_refund ON receivables (tenant_id, refund_id);

GRANT SELECT, INSERT ON refunds, refund_parts, receivables TO escrow_service;
GRANT SELECT ON refunds, refund_parts, receivables TO escrow_reader;
-- What is written whole: everything but its key, and so never whose it is.
DO $$
DECLARE
    written text;
    changing text;
BEGIN
    FOREACH written IN ARRAY ARRAY[
        'milestones', 'payments', 'releases', 'refunds', 'receivables'
    ] LOOP
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO changing
        FROM pg_attribute AS a
        JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
        WHERE a.attrelid = written::regclass AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attnum <> ALL (i.indkey);
        EXECUTE format('GRANT UPDATE (%s) ON %I TO escrow_service', changing, written);
    END LOOP;
END $$;

-- migrate:down

DROP INDEX effects_reversals;
-- It cannot go back once money has: the version before does not know where that is.
DROP TABLE receivables;
DROP TABLE refund_parts;
DROP TABLE refunds;
ALTER TABLE releases
DROP CONSTRAINT releases_amounts,
DROP COLUMN payer_fee_minor,
DROP COLUMN netted_minor,
DROP COLUMN sent_minor,
DROP COLUMN recalled_minor,
DROP COLUMN settled_payer_fee_minor,
DROP COLUMN settled_payee_fee_minor,
DROP COLUMN destination;
ALTER TABLE releases ADD CONSTRAINT releases_amounts CHECK (
    amount_minor > 0 AND payee_share_minor BETWEEN 0 AND amount_minor
);
COMMENT ON TABLE releases IS NULL;
ALTER TABLE payments DROP COLUMN converted_into_minor;
ALTER TABLE milestones DROP COLUMN payer_fee_gone_minor;
DROP TYPE write_receivable;
DROP TYPE write_refund_part;
DROP TYPE write_refund;
DROP TYPE write_release_v3;
DROP TYPE write_payment_v4;
DROP TYPE write_milestone_v2;
