"""Holds the books of every tenant against Stripe itself, account by account."""

from __future__ import annotations

from service.domain.errors import StripeUnavailable
from service.operations.settling import contradicted_settings
from service.operations.sweeps.accounts import AccountProgress, all_sweeps
from service.operations.sweeps.compare_with_stripe import Comparison, compare_account
from service.operations.sweeps.sweep_balance_transactions import pause_of
from service.runtime import Runtime
from service.store.sweeps import Sweep


async def verify_stripe(
    runtime: Runtime, progress: AccountProgress = lambda *_: None
) -> list[Comparison]:
    """Reads what is new at Stripe into the books first; then every balance transaction that Stripe
    lists is compared, and every balance. An account that Stripe does not show is not clean.

    Raises:
        DatabaseUnavailable.
    """
    return [await _compare(runtime, sweep, progress) async for sweep in all_sweeps(runtime)]


async def _compare(runtime: Runtime, sweep: Sweep, progress: AccountProgress) -> Comparison:
    whose = sweep.tenant_id, sweep.account
    try:
        found = await compare_account(
            runtime,
            sweep,
            every=pause_of(sweep.account),
            progress=lambda seen: progress(*whose, seen),
        )
    except StripeUnavailable as problem:
        return Comparison(*whose, wrong=[f"Stripe does not answer: {problem}"])
    if not sweep.account:
        found.settings = await contradicted_settings(runtime, sweep.tenant_id)
    return found
