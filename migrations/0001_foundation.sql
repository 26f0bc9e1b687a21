-- migrate:up

-- Everything belongs to a tenant, and tenant_id comes first in every key (design.md section 9).
-- A write_... type is what one commit writes of a table (service/store/commit.py); when a table gets
-- a column, a new type is added beside the old one, so that running processes are not disturbed.

CREATE TABLE operations (
    tenant_id text NOT NULL,
    operation_id uuid NOT NULL,
    kind text NOT NULL,
    caller text NOT NULL,
    party text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    response bytea,
    escrow_id uuid,
    escrow_version bigint,
    transitions jsonb NOT NULL,
    note text NOT NULL,
    trace_id text NOT NULL,
    occurred_at timestamptz NOT NULL,
    CONSTRAINT operations_pkey PRIMARY KEY (tenant_id, operation_id),
    CONSTRAINT operations_key UNIQUE (tenant_id, caller, kind, key),
    CONSTRAINT operations_escrow_and_version CHECK ((escrow_id IS NULL) = (escrow_version IS NULL))
);
COMMENT ON TABLE operations IS
'Every mutation, once: idempotency record, audit record, timeline entry. Append-only.';
CREATE UNIQUE INDEX operations_timeline ON operations (tenant_id, escrow_id, escrow_version)
WHERE escrow_id IS NOT NULL;
CREATE TYPE write_operation AS (
    tenant_id text, operation_id uuid, kind text, caller text, party text, key text,
    request_hash bytea, response bytea, escrow_id uuid, escrow_version bigint, transitions jsonb,
    note text, trace_id text, occurred_at timestamptz
);

CREATE TABLE payers (
    tenant_id text NOT NULL,
    payer_id uuid NOT NULL,
    version bigint NOT NULL,
    reference text NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    stripe_customer text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT payers_pkey PRIMARY KEY (tenant_id, payer_id),
    CONSTRAINT payers_reference UNIQUE (tenant_id, reference)
);
CREATE TYPE write_payer AS (
    tenant_id text, payer_id uuid, version bigint, reference text, name text, email text,
    stripe_customer text, created_at timestamptz, updated_at timestamptz
);

CREATE TABLE payees (
    tenant_id text NOT NULL,
    payee_id uuid NOT NULL,
    version bigint NOT NULL,
    reference text NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    country text NOT NULL,
    account_api text NOT NULL,
    state text NOT NULL,
    stripe_account text,
    requirements_due jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT payees_pkey PRIMARY KEY (tenant_id, payee_id),
    CONSTRAINT payees_reference UNIQUE (tenant_id, reference),
    CONSTRAINT payees_stripe_account UNIQUE (tenant_id, stripe_account)
);
CREATE TYPE write_payee AS (
    tenant_id text, payee_id uuid, version bigint, reference text, name text, email text,
    country text, account_api text, state text, stripe_account text, requirements_due jsonb,
    created_at timestamptz, updated_at timestamptz
);

CREATE TABLE escrows (
    tenant_id text NOT NULL,
    escrow_id uuid NOT NULL,
    version bigint NOT NULL,
    reference text NOT NULL,
    payer_id uuid NOT NULL,
    payee_id uuid NOT NULL,
    currency text NOT NULL,
    state text NOT NULL,
    policy_version integer NOT NULL,
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT escrows_pkey PRIMARY KEY (tenant_id, escrow_id),
    CONSTRAINT escrows_payer FOREIGN KEY (tenant_id, payer_id)
    REFERENCES payers (tenant_id, payer_id),
    CONSTRAINT escrows_payee FOREIGN KEY (tenant_id, payee_id)
    REFERENCES payees (tenant_id, payee_id)
);
COMMENT ON TABLE escrows IS
'The agreement. Its version guards its milestones, payments and releases too.';
CREATE INDEX escrows_by_payer ON escrows (tenant_id, payer_id, escrow_id);
CREATE INDEX escrows_by_payee ON escrows (tenant_id, payee_id, escrow_id);
CREATE INDEX escrows_by_reference ON escrows (tenant_id, reference, escrow_id);
CREATE TYPE write_escrow AS (
    tenant_id text, escrow_id uuid, version bigint, reference text, payer_id uuid, payee_id uuid,
    currency text, state text, policy_version integer, metadata jsonb, created_at timestamptz,
    updated_at timestamptz
);

CREATE TABLE milestones (
    tenant_id text NOT NULL,
    escrow_id uuid NOT NULL,
    milestone_id uuid NOT NULL,
    position integer NOT NULL,
    title text NOT NULL,
    state text NOT NULL,
    amount_minor bigint NOT NULL,
    payer_fee_minor bigint NOT NULL,
    payee_fee_minor bigint NOT NULL,
    funded_minor bigint NOT NULL,
    released_minor bigint NOT NULL,
    refunded_minor bigint NOT NULL,
    lost_minor bigint NOT NULL,
    frozen_minor bigint NOT NULL,
    payment_id uuid,
    due_at timestamptz,
    delivered_at timestamptz,
    CONSTRAINT milestones_pkey PRIMARY KEY (tenant_id, escrow_id, milestone_id),
    CONSTRAINT milestones_escrow FOREIGN KEY (tenant_id, escrow_id)
    REFERENCES escrows (tenant_id, escrow_id),
    CONSTRAINT milestones_amount_positive CHECK (amount_minor > 0),
    CONSTRAINT milestones_fees CHECK (
        payer_fee_minor >= 0 AND payee_fee_minor BETWEEN 0 AND amount_minor
    ),
    CONSTRAINT milestones_never_overfunded CHECK (funded_minor BETWEEN 0 AND amount_minor),
    -- Invariant I6.
    CONSTRAINT milestones_spent_once CHECK (
        released_minor >= 0 AND refunded_minor >= 0 AND lost_minor >= 0
        AND released_minor + refunded_minor + lost_minor <= funded_minor
    ),
    -- Invariant I5.
    CONSTRAINT milestones_frozen_is_held CHECK (
        frozen_minor BETWEEN 0 AND funded_minor - released_minor - refunded_minor - lost_minor
    )
);
CREATE TYPE write_milestone AS (
    tenant_id text, escrow_id uuid, milestone_id uuid, position integer, title text, state text,
    amount_minor bigint, payer_fee_minor bigint, payee_fee_minor bigint, funded_minor bigint,
    released_minor bigint, refunded_minor bigint, lost_minor bigint, frozen_minor bigint,
    payment_id uuid, due_at timestamptz, delivered_at timestamptz
);

CREATE TABLE line_items (
    tenant_id text NOT NULL,
    escrow_id uuid NOT NULL,
    milestone_id uuid NOT NULL,
    position integer NOT NULL,
    name text NOT NULL,
    quantity integer NOT NULL,
    unit_amount_minor bigint NOT NULL,
    sku text NOT NULL,
    CONSTRAINT line_items_pkey PRIMARY KEY (tenant_id, escrow_id, milestone_id, position),
    CONSTRAINT line_items_milestone FOREIGN KEY (tenant_id, escrow_id, milestone_id)
    REFERENCES milestones (tenant_id, escrow_id, milestone_id),
    CONSTRAINT line_items_amounts CHECK (quantity > 0 AND unit_amount_minor >= 0)
);
COMMENT ON TABLE line_items IS
'What was bought, as it was when the escrow was created. Append-only.';
CREATE TYPE write_line_item AS (
    tenant_id text, escrow_id uuid, milestone_id uuid, position integer, name text,
    quantity integer, unit_amount_minor bigint, sku text
);

CREATE TABLE payments (
    tenant_id text NOT NULL,
    payment_id uuid NOT NULL,
    escrow_id uuid NOT NULL,
    payer_id uuid NOT NULL,
    method text NOT NULL,
    capture text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    state text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    stripe_payment_intent text,
    stripe_checkout_session text,
    stripe_charge text,
    stripe_balance_transaction text,
    processing_fee_minor bigint,
    failure_code text,
    failure_decline_code text,
    failure_message text,
    observed_at timestamptz,
    CONSTRAINT payments_pkey PRIMARY KEY (tenant_id, payment_id),
    CONSTRAINT payments_escrow FOREIGN KEY (tenant_id, escrow_id)
    REFERENCES escrows (tenant_id, escrow_id),
    CONSTRAINT payments_stripe_payment_intent UNIQUE (tenant_id, stripe_payment_intent),
    CONSTRAINT payments_amount_positive CHECK (amount_minor > 0)
);
CREATE INDEX payments_by_escrow ON payments (tenant_id, escrow_id);
CREATE TYPE write_payment AS (
    tenant_id text, payment_id uuid, escrow_id uuid, payer_id uuid, method text, capture text,
    amount_minor bigint, currency text, state text, created_at timestamptz,
    updated_at timestamptz, stripe_payment_intent text, stripe_checkout_session text,
    stripe_charge text, stripe_balance_transaction text, processing_fee_minor bigint,
    failure_code text, failure_decline_code text, failure_message text, observed_at timestamptz
);

CREATE TABLE releases (
    tenant_id text NOT NULL,
    release_id uuid NOT NULL,
    escrow_id uuid NOT NULL,
    milestone_id uuid NOT NULL,
    payee_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    payee_share_minor bigint NOT NULL,
    currency text NOT NULL,
    state text NOT NULL,
    effect_id uuid,
    transfer_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    refusals integer NOT NULL,
    stripe_transfer text,
    refusal_code text,
    CONSTRAINT releases_pkey PRIMARY KEY (tenant_id, escrow_id, release_id),
    CONSTRAINT releases_milestone FOREIGN KEY (tenant_id, escrow_id, milestone_id)
    REFERENCES milestones (tenant_id, escrow_id, milestone_id),
    CONSTRAINT releases_amounts CHECK (
        amount_minor > 0 AND payee_share_minor BETWEEN 0 AND amount_minor
    )
);
CREATE INDEX releases_waiting ON releases (transfer_at) WHERE state = 'WAITING';
CREATE TYPE write_release AS (
    tenant_id text, release_id uuid, escrow_id uuid, milestone_id uuid, payee_id uuid,
    payment_id uuid, amount_minor bigint, payee_share_minor bigint, currency text, state text,
    effect_id uuid, transfer_at timestamptz, created_at timestamptz, updated_at timestamptz,
    refusals integer, stripe_transfer text, refusal_code text
);

CREATE TABLE payouts (
    tenant_id text NOT NULL,
    payout_id uuid NOT NULL,
    payee_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    state text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    stripe_payout text,
    failure_code text,
    failure_message text,
    arrival_at timestamptz,
    CONSTRAINT payouts_pkey PRIMARY KEY (tenant_id, payout_id),
    CONSTRAINT payouts_payee FOREIGN KEY (tenant_id, payee_id)
    REFERENCES payees (tenant_id, payee_id),
    CONSTRAINT payouts_amount_positive CHECK (amount_minor > 0)
);
CREATE INDEX payouts_by_payee ON payouts (tenant_id, payee_id, payout_id);
CREATE TYPE write_payout AS (
    tenant_id text, payout_id uuid, payee_id uuid, amount_minor bigint, currency text, state text,
    created_at timestamptz, updated_at timestamptz, stripe_payout text, failure_code text,
    failure_message text, arrival_at timestamptz
);

CREATE TABLE effects (
    tenant_id text NOT NULL,
    effect_id uuid NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    generation integer NOT NULL,
    subject_id uuid NOT NULL,
    escrow_id uuid,
    payee_id uuid,
    stripe_account text,
    request jsonb NOT NULL,
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    key_used_at timestamptz,
    lease_expires_at timestamptz,
    stripe_object text,
    error jsonb NOT NULL,
    CONSTRAINT effects_pkey PRIMARY KEY (tenant_id, effect_id),
    CONSTRAINT effects_sending_is_leased CHECK (
        state <> 'SENDING' OR lease_expires_at IS NOT NULL
    )
);
COMMENT ON TABLE effects IS 'Calls to Stripe that must happen exactly once.';
CREATE INDEX effects_open ON effects (due_at)
WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN');
CREATE INDEX effects_open_by_payee ON effects (tenant_id, payee_id)
WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN');
CREATE TYPE write_effect AS (
    tenant_id text, effect_id uuid, version bigint, kind text, state text, generation integer,
    subject_id uuid, escrow_id uuid, payee_id uuid, stripe_account text, request jsonb,
    due_at timestamptz, created_at timestamptz, updated_at timestamptz, attempts integer,
    key_used_at timestamptz, lease_expires_at timestamptz, stripe_object text, error jsonb
);

CREATE TABLE effect_attempts (
    tenant_id text NOT NULL,
    effect_id uuid NOT NULL,
    attempt integer NOT NULL,
    generation integer NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text,
    detail text,
    CONSTRAINT effect_attempts_pkey PRIMARY KEY (tenant_id, effect_id, attempt)
);
COMMENT ON TABLE effect_attempts IS
'Each time an effect was sent, recorded before the call; no end means that its worker died.';

CREATE TABLE stripe_events (
    tenant_id text NOT NULL,
    event_id text NOT NULL,
    endpoint text NOT NULL,
    account text,
    type text NOT NULL,
    api_version text,
    livemode boolean NOT NULL,
    occurred_at timestamptz NOT NULL,
    payload bytea NOT NULL,
    state text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    reason text NOT NULL DEFAULT '',
    received_at timestamptz NOT NULL,
    processed_at timestamptz,
    trace_id text NOT NULL DEFAULT '',
    CONSTRAINT stripe_events_pkey PRIMARY KEY (tenant_id, event_id)
);
COMMENT ON TABLE stripe_events IS
'The inbox: what Stripe told us, byte for byte, once per event id.';
COMMENT ON COLUMN stripe_events.state IS
'RECEIVED, PARKED (retried later), PROCESSED, IGNORED (not acted on), QUARANTINED, SUSPENSE';
CREATE INDEX stripe_events_open ON stripe_events (due_at) WHERE state IN ('RECEIVED', 'PARKED');
CREATE TYPE write_event_end AS (
    tenant_id text, event_id text, state text, reason text, processed_at timestamptz
);

CREATE TABLE journals (
    tenant_id text NOT NULL,
    journal_id uuid NOT NULL,
    kind text NOT NULL,
    source_type text NOT NULL,
    source_id text NOT NULL,
    currency text NOT NULL,
    escrow_id uuid,
    operation_id uuid NOT NULL,
    event_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT journals_pkey PRIMARY KEY (tenant_id, journal_id),
    -- Invariant I7.
    CONSTRAINT journals_source UNIQUE (tenant_id, source_type, source_id, kind)
);
COMMENT ON TABLE journals IS 'Balanced bookkeeping transactions. Append-only (invariant I9).';
COMMENT ON COLUMN journals.event_at IS 'when it happened in the world';
COMMENT ON COLUMN journals.created_at IS 'when the books learned of it';
CREATE INDEX journals_by_escrow ON journals (tenant_id, escrow_id) WHERE escrow_id IS NOT NULL;
CREATE TYPE write_journal AS (
    tenant_id text, journal_id uuid, kind text, source_type text, source_id text, currency text,
    escrow_id uuid, operation_id uuid, event_at timestamptz, created_at timestamptz
);

CREATE TABLE entries (
    tenant_id text NOT NULL,
    journal_id uuid NOT NULL,
    line smallint NOT NULL,
    book text NOT NULL,
    account text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    CONSTRAINT entries_pkey PRIMARY KEY (tenant_id, journal_id, line),
    CONSTRAINT entries_journal FOREIGN KEY (tenant_id, journal_id)
    REFERENCES journals (tenant_id, journal_id),
    CONSTRAINT entries_not_zero CHECK (amount_minor <> 0)
);
COMMENT ON TABLE entries IS 'The lines of journals. Append-only (invariant I9).';
COMMENT ON COLUMN entries.amount_minor IS 'debits are positive, credits negative';
CREATE INDEX entries_by_account ON entries (tenant_id, account, currency);
CREATE TYPE write_entry AS (
    tenant_id text, journal_id uuid, line smallint, book text, account text, currency text,
    amount_minor bigint
);

-- Invariants I1 and I9. The entries of a journal arrive in one statement, its first line with them:
-- nothing can be added to a journal later, however balanced.
CREATE FUNCTION refuse_unbalanced_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM added GROUP BY tenant_id, journal_id, book, currency
        HAVING sum(amount_minor) <> 0
    ) OR EXISTS (
        SELECT 1 FROM added GROUP BY tenant_id, journal_id HAVING min(line) <> 1
    ) THEN
        RAISE EXCEPTION 'the entries of a journal must come together and sum to zero'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'entries_sum_to_zero';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entries_sum_to_zero AFTER INSERT ON entries
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_unbalanced_entries();

CREATE TABLE balances (
    tenant_id text NOT NULL,
    account text NOT NULL,
    currency text NOT NULL,
    balance_minor bigint NOT NULL,
    CONSTRAINT balances_pkey PRIMARY KEY (tenant_id, account, currency),
    -- Invariant I3.
    CONSTRAINT balances_not_negative CHECK (balance_minor >= 0)
);
COMMENT ON TABLE balances IS
'The balance, on its normal side, of every account that can be overdrawn.';
CREATE TYPE write_balance AS (
    tenant_id text, account text, currency text, change_minor bigint
);

-- Refuses a commit that found fewer rows in the version it had read than it was to write.
CREATE FUNCTION expect_rows(what text, actual bigint, expected bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF actual <> expected THEN
        RAISE EXCEPTION '% changed since they were read', what USING ERRCODE = 'ES001';
    END IF;
    RETURN true;
END $$;

-- The service works under this role: it can add to the books, never change them (invariant I9).
DO $$
BEGIN
    CREATE ROLE escrow_service NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
GRANT SELECT, INSERT ON operations, line_items, journals, entries TO escrow_service;
GRANT SELECT, INSERT, UPDATE ON
payers, payees, escrows, milestones, payments, releases, payouts, effects, effect_attempts,
stripe_events, balances
TO escrow_service;
-- It refuses to start on a schema that lacks a migration. The table belongs to who applies them.
GRANT SELECT ON public.schema_migrations TO escrow_service;

-- migrate:down

DROP FUNCTION expect_rows;
DROP TYPE write_balance;
DROP TABLE balances;
DROP TABLE entries;
DROP FUNCTION refuse_unbalanced_entries;
DROP TYPE write_entry;
DROP TYPE write_journal;
DROP TABLE journals;
DROP TYPE write_event_end;
DROP TABLE stripe_events;
DROP TABLE effect_attempts;
DROP TYPE write_effect;
DROP TABLE effects;
DROP TYPE write_payout;
DROP TABLE payouts;
DROP TYPE write_release;
DROP TABLE releases;
DROP TYPE write_payment;
DROP TABLE payments;
DROP TYPE write_line_item;
DROP TABLE line_items;
DROP TYPE write_milestone;
DROP TABLE milestones;
DROP TYPE write_escrow;
DROP TABLE escrows;
DROP TYPE write_payee;
DROP TABLE payees;
DROP TYPE write_payer;
DROP TABLE payers;
DROP TYPE write_operation;
DROP TABLE operations;
