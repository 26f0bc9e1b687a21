-- A charge funds one payment. Without this, an event that names another payment's charge could fund a
-- second escrow with the same money.

-- migrate:up

ALTER TABLE payments ADD CONSTRAINT payments_stripe_charge UNIQUE (tenant_id, stripe_charge);

-- migrate:down

ALTER TABLE payments DROP CONSTRAINT payments_stripe_charge;
