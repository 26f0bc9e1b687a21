"""Many tenants: how each is named, and the parties that it has in the database."""

from __future__ import annotations

from benchmarks.fixture import sql_parties


def tenant_name(n: int, tenants: int) -> str:
    """The tenant of escrow n. Escrows that follow each other are of different tenants."""
    return f"tenant-{n % tenants}"


def sql_tenant(n: str, tenants: int) -> str:
    """As ``tenant_name``, as an SQL expression of the expression n."""
    return f"'tenant-' || ({n}) % {tenants}"


def tenant_names(tenants: int) -> list[str]:
    return [tenant_name(n, tenants) for n in range(tenants)]


def sql_parties_of(tenants: int) -> str:
    """Writes the payers and payees again, each for one of so many tenants.

    Escrow n finds its parties in its own tenant when ``tenants`` divides ``PAYEES``.
    """
    return sql_parties(sql_tenant("n", tenants))
