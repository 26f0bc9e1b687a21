"""One pass over one account at Stripe, what it has asked of Stripe, and what it has left."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from service.operations.sweeps.sweep_balance_transactions import Swept, pause_of, sweep_account
from service.runtime import Runtime
from service.store.sweeps import PLATFORM, Sweep, add_accounts, add_tenants, find_sweep
from tests.service.operations.marketplace import TENANT, Marketplace

TRANSACTIONS = "/v1/balance_transactions"
TRIES = 3  # of the SDK itself, at most

Json = dict[str, Any]


async def sweep_of(market: Marketplace, account: str = PLATFORM) -> Sweep:
    """How far an account has been read, as a worker of its own finds it."""
    pool, now = market.alone.pool, market.alone.clock()
    await add_tenants(pool, [TENANT], now)
    if account != PLATFORM:
        await add_accounts(pool, TENANT, {account: now}, now)
    found = await find_sweep(pool, TENANT, account)
    assert found is not None
    return found


async def read(
    market: Marketplace, account: str = PLATFORM, *, house: Runtime | None = None
) -> Swept:
    """A pass by a process that knows no more than the database does."""
    sweep = await sweep_of(market, account)
    return await sweep_account(house or market.alone, sweep, every=pause_of(account))


async def pages_asked(market: Marketplace) -> list[Json]:
    """What was asked for, page by page, in the order in which it was."""
    requests = (await market.sandbox.control("requests", verb="GET"))["data"]
    lists = [each for each in requests if each["path"] == TRANSACTIONS and each["status"] == 200]
    return [each["params"] for each in reversed(lists) if "expand" in str(each["params"])]


async def transactions(market: Marketplace, account: str = "") -> list[Json]:
    """What Stripe lists, newest first."""
    return await market.sandbox.objects(TRANSACTIONS, account)


async def list_instead(market: Marketplace, shown: list[Json], **more: object) -> None:
    """The next pages that Stripe lists are this one."""
    answer = {"data": shown, "has_more": False}
    await market.sandbox.fail_next(TRANSACTIONS, "altered", method="GET", answer=answer, **more)


def at(transaction: Json) -> datetime:
    """When it happened, by Stripe's clock."""
    return datetime.fromtimestamp(transaction["created"], UTC)


@asynccontextmanager
async def failing(market: Marketplace, path: str, *, after: int = 0) -> AsyncIterator[None]:
    """Stripe answers so many requests for what begins with this path, and then fails."""
    if after:
        await market.sandbox.fail_next(path, "latency", method="GET", times=after)
    await market.sandbox.fail_next(path, method="GET", times=TRIES)
    yield
    await market.sandbox.control("faults", verb="DELETE")
