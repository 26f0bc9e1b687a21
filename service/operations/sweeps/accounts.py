"""The accounts at Stripe that are read: every tenant's own, and those of payees that got money."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from service.runtime import Runtime
from service.store.sweeps import PLATFORM, Sweep, add_tenants, find_sweep, swept_accounts

AccountProgress = Callable[[str, str, int], None]
"""Called with the tenant, the account and how many balance transactions were read so far."""


async def all_sweeps(runtime: Runtime) -> AsyncIterator[Sweep]:
    """A tenant's own account first: reading it shows which others there are."""
    await add_tenants(runtime.pool, runtime.stripe, runtime.clock())
    for tenant_id in sorted(runtime.stripe):
        yield await _found(runtime, tenant_id, PLATFORM)
        for account in await swept_accounts(runtime.pool, tenant_id):
            yield await _found(runtime, tenant_id, account)


async def _found(runtime: Runtime, tenant_id: str, account: str) -> Sweep:
    sweep = await find_sweep(runtime.pool, tenant_id, account)
    assert sweep is not None  # rows are never removed
    return sweep
