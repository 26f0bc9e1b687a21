-- What `escrow show` finds by its id at Stripe, and the calls that Stripe refused: each is written
-- once, when Stripe answers.

-- migrate:up

CREATE INDEX payers_stripe_customer ON payers (tenant_id, stripe_customer)
WHERE stripe_customer IS NOT NULL;
CREATE INDEX payments_stripe_checkout_session ON payments (tenant_id, stripe_checkout_session)
WHERE stripe_checkout_session IS NOT NULL;
CREATE INDEX payouts_stripe_payout ON payouts (tenant_id, stripe_payout)
WHERE stripe_payout IS NOT NULL;
CREATE INDEX freezes_by_source ON freezes (tenant_id, source);
CREATE INDEX effects_rejected ON effects (tenant_id, effect_id) WHERE state = 'REJECTED';

-- migrate:down

DROP INDEX effects_rejected;
DROP INDEX freezes_by_source;
DROP INDEX payouts_stripe_payout;
DROP INDEX payments_stripe_checkout_session;
DROP INDEX payers_stripe_customer;
