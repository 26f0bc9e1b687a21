"""Reads every account at Stripe now, for an operator who does not wait for the worker."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.domain.errors import StripeRefused, Unavailable
from service.operations.sweeps.accounts import AccountProgress, all_sweeps
from service.operations.sweeps.sweep_balance_transactions import Swept, pause_of, sweep_account
from service.runtime import Runtime
from service.store.sweeps import Sweep
from service.stripe.objects.values import Unreadable


@dataclass(slots=True)
class SweptAccount:
    """What came of one account; ``problem`` is why it could not be read."""

    tenant: str
    account: str
    swept: Swept = field(default_factory=Swept)
    problem: str = ""


async def sweep_stripe(
    runtime: Runtime, *, from_start: bool, progress: AccountProgress = lambda *_: None
) -> list[SweptAccount]:
    """Gives every balance transaction its row. ``from_start``: also those before the last time.

    Raises:
        DatabaseUnavailable.
    """
    found = []
    async for sweep in all_sweeps(runtime):
        if from_start:
            sweep.swept_through = sweep.page_after = None
        found.append(await _sweep(runtime, sweep, progress))
    return found


async def _sweep(runtime: Runtime, sweep: Sweep, progress: AccountProgress) -> SweptAccount:
    whose = sweep.tenant_id, sweep.account
    try:
        swept = await sweep_account(
            runtime,
            sweep,
            every=pause_of(sweep.account),
            progress=lambda seen: progress(*whose, seen),
        )
    except (Unavailable, StripeRefused, Unreadable) as problem:
        return SweptAccount(*whose, problem=f"Stripe does not show it: {problem}")
    return SweptAccount(*whose, swept)
