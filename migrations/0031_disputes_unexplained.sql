-- What was booked as unexplained before disputes were understood is looked at again by the next
-- sweep, which takes it over (docs/decisions/0049-the-money-of-a-dispute.md). Replace all processes
-- at once: one of the version before would take these off the list and leave them unexplained.

-- migrate:up

INSERT INTO undecided_transactions (
    tenant_id, stripe_account, balance_transaction_id, reason, first_seen_at, due_at
)
SELECT
    t.tenant_id,
    '' AS stripe_account,
    t.balance_transaction_id,
    'a dispute that was unexplained' AS reason,
    now() AS first_seen_at,
    now() AS due_at
FROM balances AS b
INNER JOIN balance_transactions AS t
    ON
        b.tenant_id = t.tenant_id
        AND t.balance_transaction_id = split_part(b.account, ':', 3)
WHERE
    b.balance_minor > 0
    AND (b.account LIKE 'asset:unexplained:%' OR b.account LIKE 'liab:unexplained:%')
    AND t.stripe_account IS NULL AND (t.source LIKE 'du\_%' OR t.source LIKE 'dp\_%')
ON CONFLICT (tenant_id, stripe_account, balance_transaction_id) DO UPDATE SET
    reason = excluded.reason, due_at = excluded.due_at, decided_at = NULL;

-- migrate:down

DELETE FROM undecided_transactions
WHERE reason = 'a dispute that was unexplained';
