"""What differs between one PostgreSQL and a cluster that is distributed by tenant (Citus)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """How connections are set, and whether what travels together has to be of one tenant.

    On one PostgreSQL tenants share commits, loads and leases: with many small tenants each would
    else travel alone. On a cluster such a statement would be a transaction of several nodes.
    """

    settings: Mapping[str, str]
    per_tenant: bool


POSTGRESQL = Engine(
    # With one way to go there is nothing to plan again for every call: that was a sixth of
    # PostgreSQL's work for a release.
    settings={"plan_cache_mode": "force_generic_plan"},
    per_tenant=False,
)
CITUS = Engine(
    settings={
        # A generic plan does not know the tenant, and so not the node.
        "plan_cache_mode": "auto",
        "citus.enable_local_fast_path_query_optimization": "off",
        # Else asyncpg's look-ups of types take a second for every new connection.
        "citus.override_table_visibility": "off",
    },
    per_tenant=True,
)
ENGINES: Mapping[str, Engine] = {"postgresql": POSTGRESQL, "citus": CITUS}
