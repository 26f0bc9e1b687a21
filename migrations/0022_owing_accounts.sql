-- What a payee's account at Stripe holds is Stripe's to say, also where it is below zero.

-- migrate:up

ALTER TABLE balances
DROP CONSTRAINT balances_not_negative,
ADD CONSTRAINT balances_not_negative CHECK (
    balance_minor >= 0 OR account LIKE 'conn:%:balance'
);
-- A debit that may not begin an account is inserted as a balance of zero (0004), another as itself.
DROP TRIGGER balances_debit_of_nothing ON balances;
CREATE TRIGGER balances_debit_of_nothing AFTER INSERT ON balances
FOR EACH ROW WHEN (new.change_minor < 0 AND new.balance_minor = 0)
EXECUTE FUNCTION refuse_debit_of_nothing();

-- migrate:down

DROP TRIGGER balances_debit_of_nothing ON balances;
CREATE TRIGGER balances_debit_of_nothing AFTER INSERT ON balances
FOR EACH ROW WHEN (new.change_minor < 0) EXECUTE FUNCTION refuse_debit_of_nothing();
ALTER TABLE balances
DROP CONSTRAINT balances_not_negative,
ADD CONSTRAINT balances_not_negative CHECK (balance_minor >= 0);
