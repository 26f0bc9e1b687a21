"""What is held for milestones."""

from __future__ import annotations

from service.domain import accounts
from service.store.checks.check import Check, of_milestone

NOT_BELOW_ZERO = Check(
    "I3 no liability below zero",
    "what belongs to a person or a milestone is never negative",
    "SELECT count(*) FROM balances",
    "SELECT tenant_id, account, currency, balance_minor FROM balances"
    f" WHERE balance_minor < 0 AND account NOT LIKE '{accounts.CAN_OWE}'",
)
MILESTONES = Check(
    "I5 I6 milestones",
    "released, refunded and lost are funded; frozen is held",
    "SELECT count(*) FROM milestones",
    """\
SELECT tenant_id, escrow_id, milestone_id, state, amount_minor, funded_minor, released_minor,
    refunded_minor, lost_minor, frozen_minor
FROM milestones
WHERE funded_minor NOT BETWEEN 0 AND amount_minor
    OR least(released_minor, refunded_minor, lost_minor, frozen_minor) < 0
    OR released_minor + refunded_minor + lost_minor + frozen_minor > funded_minor
    OR (state IN ('AWAITING_FUNDS', 'CANCELED', 'EXPIRED') AND funded_minor <> 0)
    OR (state IN ('FUNDED', 'DELIVERED')
        AND funded_minor - released_minor - refunded_minor - lost_minor <= 0)
    OR payer_fee_gone_minor NOT BETWEEN 0 AND payer_fee_minor
    OR (state IN ('RELEASING', 'RELEASED')
        AND (released_minor = 0 OR released_minor + refunded_minor + lost_minor <> funded_minor))
    OR (state IN ('REFUNDING', 'REFUNDED') AND refunded_minor + lost_minor <> funded_minor)""",
)
FROZEN = Check(
    "I5 frozen",
    "what is frozen of a milestone is the sum of its open freezes",
    "SELECT count(*) FROM freezes",
    """\
SELECT * FROM (
    SELECT m.tenant_id, m.escrow_id, m.milestone_id, m.frozen_minor,
        (SELECT coalesce(sum(f.amount_minor), 0) FROM freezes AS f
            WHERE f.tenant_id = m.tenant_id AND f.escrow_id = m.escrow_id
            AND f.milestone_id = m.milestone_id AND f.state = 'OPEN') AS freezes_minor
    FROM milestones AS m
) AS compared WHERE frozen_minor <> freezes_minor""",
)
SPLIT = Check(
    "split",
    "the parts of several payees are the milestone's price, fee and what of it has gone",
    "SELECT count(*) FROM milestone_payees",
    """\
SELECT m.tenant_id, m.escrow_id, m.milestone_id, m.amount_minor, p.amount_minor AS parts_minor,
    m.payee_fee_minor, p.payee_fee_minor AS parts_fee_minor,
    m.released_minor + m.refunded_minor + m.lost_minor AS gone_minor,
    p.gone_minor AS parts_gone_minor
FROM (
    SELECT tenant_id, escrow_id, milestone_id, sum(amount_minor) AS amount_minor,
        sum(payee_fee_minor) AS payee_fee_minor, sum(gone_minor) AS gone_minor
    FROM milestone_payees GROUP BY tenant_id, escrow_id, milestone_id
) AS p
JOIN milestones AS m ON m.tenant_id = p.tenant_id AND m.escrow_id = p.escrow_id
    AND m.milestone_id = p.milestone_id
WHERE p.amount_minor <> m.amount_minor OR p.payee_fee_minor <> m.payee_fee_minor
    OR p.gone_minor <> m.released_minor + m.refunded_minor + m.lost_minor""",
)
HELD_BY_MILESTONES = Check(
    "held",
    "each milestone's accounts hold what its record says",
    "SELECT count(*) FROM milestones",
    f"""\
SELECT * FROM (
    SELECT m.tenant_id, m.escrow_id, m.milestone_id, e0.currency,
        m.funded_minor - m.released_minor - m.refunded_minor - m.lost_minor AS held_minor,
        {of_milestone(accounts.HELD)} AS books_minor,
        CASE WHEN m.funded_minor = 0 THEN 0
            ELSE m.payer_fee_minor - m.payer_fee_gone_minor END AS fee_held_minor,
        {of_milestone(accounts.FEE_HELD)} AS books_fee_minor
    FROM milestones AS m
    JOIN escrows AS e0 ON e0.tenant_id = m.tenant_id AND e0.escrow_id = m.escrow_id
) AS compared WHERE held_minor <> books_minor OR fee_held_minor <> books_fee_minor""",
)
