"""The one sequence of a tenant's operations."""

from __future__ import annotations

from service.store.checks.check import Check

DENSE = Check(
    "sequence",
    "the positions of a tenant go from 1 to the last one, without a gap, each of one operation",
    "SELECT count(*) FROM positions",
    """\
SELECT coalesce(p.tenant_id, s.tenant_id) AS tenant_id, s.position AS last, p.last AS found,
    p.positions, p.operations
FROM sealings AS s
FULL JOIN (
    SELECT p0.tenant_id, max(p0.position) AS last, count(*) AS positions,
        count(o.operation_id) AS operations
    FROM positions AS p0
    LEFT JOIN operations AS o
        ON o.tenant_id = p0.tenant_id AND o.operation_id = p0.operation_id
    GROUP BY p0.tenant_id
) AS p ON p.tenant_id = s.tenant_id
WHERE s.position IS DISTINCT FROM coalesce(p.last, 0)
OR p.last <> p.positions OR p.positions <> p.operations""",
)
IN_ORDER = Check(
    "sequence of escrows",
    "the versions of an escrow have their positions in their order, and none is left out",
    "SELECT count(DISTINCT (tenant_id, escrow_id)) FROM operations",
    """\
SELECT tenant_id, escrow_id, min(position) AS position FROM (
    SELECT p.tenant_id, p.position, o.escrow_id, o.escrow_version,
        row_number() OVER (
            PARTITION BY o.tenant_id, o.escrow_id ORDER BY p.position
        ) AS number
    FROM positions AS p
    JOIN operations AS o ON o.tenant_id = p.tenant_id AND o.operation_id = p.operation_id
    WHERE o.escrow_id IS NOT NULL
) AS numbered WHERE number <> escrow_version GROUP BY tenant_id, escrow_id""",
)
