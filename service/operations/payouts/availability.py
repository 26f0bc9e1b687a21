"""What of a payee's balance can be paid out now: Stripe holds money back for days after a payment.

Our rows of the account's balance transactions say how much, and until when. What they do not have
yet is read from Stripe, so call this before anything is loaded for a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from service.domain.accounts import CONN_BALANCE
from service.domain.errors import StripeRefused, Unavailable
from service.operations.sweeps.sweep_balance_transactions import Swept, book_page
from service.runtime import Runtime
from service.store.balance_transactions import Availability, availability_of
from service.store.sweeps import new_sweep
from service.stripe.objects.balance import parse_pending
from service.stripe.objects.values import Unreadable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What of a balance is not available: minor units, and when which part of it will be."""

    minor: int
    parts: tuple[tuple[datetime, int], ...]

    @property
    def until(self) -> datetime | None:
        """When all of it is available."""
        return self.parts[-1][0] if self.parts else None

    def covers_at(self, missing_minor: int) -> datetime | None:
        """When so much more than now is available; None when that is not known."""
        for moment, minor in self.parts:
            missing_minor -= minor
            if missing_minor <= 0:
                return moment
        return None


NOTHING = HeldBack(0, ())


async def held_back(
    runtime: Runtime, tenant_id: str, account: str
) -> Mapping[str, HeldBack] | None:
    """What of the account is held back, by currency; None when Stripe would have to say and did not
    answer. Stripe is asked when something has come since the account was read last.
    """
    known = await _known(runtime, tenant_id, account)
    if all(each.complete for each in known.values()):
        return _held_back(known)
    if not await read_newest(runtime, tenant_id, account):
        return None
    known = await _known(runtime, tenant_id, account)
    return _held_back(known) if all(each.complete for each in known.values()) else None


async def held_back_of(
    runtime: Runtime, tenant_id: str, account: str, currency: str, amount_minor: int
) -> HeldBack:
    """What of the account is held back in one currency, asked for a payout. Stripe is asked, too,
    before it is too much: its clock counts. Nothing is, for all we know, when it does not answer.
    """
    by_rows = await held_back(runtime, tenant_id, account)
    known = (await _known(runtime, tenant_id, account)).get(currency)
    if known is None:
        return NOTHING
    held = NOTHING if by_rows is None else by_rows.get(currency, NOTHING)
    if by_rows is not None and known.balance_minor - held.minor >= amount_minor:
        return held
    try:
        balance = await runtime.stripe[tenant_id].fetch_balance(account)
        pending_minor = parse_pending(balance).get(currency, 0)
    except (Unavailable, StripeRefused, Unreadable) as problem:
        log.warning("balance not read", account=account, problem=str(problem))
        return NOTHING
    return replace(held, minor=max(0, pending_minor))


async def _known(runtime: Runtime, tenant_id: str, account: str) -> dict[str, Availability]:
    return await availability_of(
        runtime.pool,
        tenant_id,
        account,
        CONN_BALANCE.name({"account": account}),
        runtime.clock(),
    )


def _held_back(known: Mapping[str, Availability]) -> dict[str, HeldBack]:
    return {
        currency: HeldBack(max(0, sum(minor for _, minor in each.pending)), each.pending)
        for currency, each in known.items()
    }


async def read_newest(runtime: Runtime, tenant_id: str, account: str) -> bool:
    """Books what Stripe shows of the account and we have no row of; False when it did not answer.

    The sweep would do the same a while later. What is older than a page is left to it.
    """
    gateway = runtime.stripe[tenant_id]
    try:
        page, _ = await gateway.list_balance_transactions(account, since=None, after=None)
    except (Unavailable, StripeRefused, Unreadable) as problem:
        log.warning("balance transactions not read", account=account, problem=str(problem))
        return False
    await book_page(runtime, new_sweep(tenant_id, account, runtime.clock()), page, Swept())
    return True
