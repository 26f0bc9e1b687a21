"""The worker that reads what moved the balances at Stripe: what is due, once, and again later."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from service.operations.sweeps import compare_with_stripe
from service.operations.sweeps.compare_with_stripe import LONGEST, NEXT_COMPARISON
from service.operations.sweeps.sweep_balance_transactions import (
    ACCOUNT_DELAY,
    ACCOUNT_PAUSE,
    LEASE,
    PLATFORM_PAUSE,
)
from service.runtime import Runtime
from service.store.sweeps import PLATFORM, add_accounts
from service.workers.sweeps import TROUBLE_PAUSE, SweepsWorker
from tests.service.movements.strangers import moved, rows
from tests.service.operations.marketplace import NEIGHBOUR, TENANT, Marketplace
from tests.service.operations.sweeps.passes import TRANSACTIONS, failing, pages_asked
from tests.service.operations.sweeps.test_compare_with_stripe import alter_balance

SECOND = timedelta(seconds=1)
FIRST_COMPARISON = timedelta(minutes=10)  # after a tenant was added
BALANCE = "/v1/balance"
INSERT = """
INSERT INTO sweeps (tenant_id, stripe_account, due_at, compare_due_at)
SELECT $1, account, $3::timestamptz, $3::timestamptz + interval '1 day'
FROM unnest($2::text[]) AS account"""


class Process:
    """One process of the service, whose clock the test moves."""

    def __init__(self, market: Marketplace, *tenants: str) -> None:
        stripe = market.running.runtime.stripe
        self.market = market
        self.now = datetime.now(UTC)
        self.stripe = {tenant: stripe[tenant] for tenant in tenants or (TENANT,)}
        self.runtime = Runtime(market.work_runtime.pool, self.stripe, lambda: self.now)
        self.worker = SweepsWorker(self.runtime)

    async def row(self, account: str = PLATFORM, tenant: str = TENANT) -> Any:  # noqa: ANN401  a row
        query = "SELECT * FROM sweeps WHERE tenant_id = $1 AND stripe_account = $2"
        return await self.market.owner.fetchrow(query, tenant, account)

    def one_after_the_other(self) -> None:
        """Side by side, the platform's pass may look at an account just before that one's own pass
        has ended, and has it read once more.
        """
        self.worker.slots = 1

    async def turn(self, later: timedelta = timedelta()) -> list[Any]:
        """A turn so much later, and what it logged."""
        self.now += later
        with structlog.testing.capture_logs() as logs:
            await self.worker.run_once()
        return logs


async def until(process: Process, holds: Callable[[Any], bool]) -> None:
    """Waits for what a worker writes while it is at it."""
    async with asyncio.timeout(5):
        while not holds(await process.row()):  # noqa: ASYNC110  in PostgreSQL
            await asyncio.sleep(0.005)


@pytest.fixture
def process(market: Marketplace) -> Process:
    return Process(market)


def events(logs: list[Any]) -> list[str]:
    return [log["event"] for log in logs]


# What is due


async def test_tenants_are_added_also_those_that_come_later(market: Marketplace) -> None:
    process = Process(market)
    await process.turn()
    assert await process.row(tenant=NEIGHBOUR) is None

    process.stripe[NEIGHBOUR] = market.running.runtime.stripe[NEIGHBOUR]
    await process.turn()

    assert (await process.row(tenant=NEIGHBOUR))["compare_due_at"] == process.now + FIRST_COMPARISON
    assert (await process.row(tenant=NEIGHBOUR))["due_at"] == process.now + PLATFORM_PAUSE


async def test_a_tenant_that_is_known_is_not_begun_anew(market: Marketplace) -> None:
    """Every process adds its tenants when it starts."""
    await moved(market, "stripe_fee", -200)
    first = Process(market)
    await first.turn()
    before = await first.row()

    second = Process(market)
    await second.turn()

    assert await second.row() == before


async def test_it_takes_only_what_is_due(process: Process) -> None:
    assert await process.worker.run_once() == 1
    assert await process.worker.run_once() == 0
    process.now += PLATFORM_PAUSE - SECOND
    assert await process.worker.run_once() == 0
    process.now += SECOND
    assert await process.worker.run_once() == 1


async def test_it_takes_only_accounts_of_its_tenants(market: Marketplace, process: Process) -> None:
    """For another tenant it has no key."""
    await market.owner.execute(INSERT, "stranger", [PLATFORM, "acct_1"], process.now)
    await market.owner.execute(INSERT, NEIGHBOUR, [PLATFORM], process.now)

    taken = await process.worker.take(10)

    assert [(each.tenant_id, each.account) for each in taken] == [(TENANT, PLATFORM)]
    assert (await process.row(tenant="stranger"))["due_at"] == process.now


async def test_what_it_takes_is_leased(market: Marketplace, process: Process) -> None:
    other = Process(market)
    other.now = process.now
    assert len(await process.worker.take(10)) == 1

    assert await other.worker.take(10) == []
    other.now += LEASE
    assert len(await other.worker.take(10)) == 1  # the first one has died


async def test_two_workers_take_no_account_twice(market: Marketplace, process: Process) -> None:
    other = Process(market)
    other.now = process.now
    accounts = [f"acct_{number}" for number in range(9)]
    await market.owner.execute(INSERT, TENANT, [PLATFORM, *accounts], process.now)

    taken = await asyncio.gather(*(each.worker.take(10) for each in (process, other) * 2))

    names = [each.account for part in taken for each in part]
    assert sorted(names) == [PLATFORM, *accounts]


async def test_it_takes_no_more_than_it_is_asked_for_the_platform_first_and_then_the_oldest(
    market: Marketplace, process: Process
) -> None:
    for number in range(4):
        due_at = process.now - number * SECOND
        await market.owner.execute(INSERT, TENANT, [f"acct_{number}"], due_at)

    taken = await process.worker.take(2)

    assert [each.account for each in taken] == [PLATFORM, "acct_3"]


async def test_a_page_renews_the_lease(market: Marketplace, process: Process) -> None:
    """A long pass goes on for longer than a lease, and nobody else begins one beside it."""
    for _ in range(101):
        await moved(market, "stripe_fee", -1)
    (taken,) = await process.worker.take(1)
    process.now += LEASE - SECOND
    await market.sandbox.fail_next(TRANSACTIONS, "latency", method="GET")
    await market.sandbox.fail_next(TRANSACTIONS, "latency", method="GET", latency_ms=500)

    passing = asyncio.create_task(process.worker.do(taken))
    await until(process, lambda row: row["page_after"] is not None)
    assert (await process.row())["due_at"] == process.now + LEASE
    await passing

    assert (await process.row())["due_at"] == process.now + PLATFORM_PAUSE
    assert len(await rows(market)) == 101


async def test_payees_accounts_are_read_an_hour_after_they_got_money_and_then_daily(
    market: Marketplace, process: Process
) -> None:
    process.one_after_the_other()
    account = (await market.paid_payee()).stripe_account
    began = process.now
    await process.turn()
    assert (await process.row(account))["due_at"] == began + ACCOUNT_DELAY

    await process.turn(ACCOUNT_DELAY)  # the platform's first: it puts nothing off
    await process.turn()

    assert (await process.row(account))["due_at"] == process.now + ACCOUNT_PAUSE
    assert account in {row["stripe_account"] for row in (await rows(market)).values()}


async def test_a_transfer_that_is_read_again_does_not_put_the_payee_first_again(
    market: Marketplace, process: Process
) -> None:
    """The last ones are read again by every pass, for days if the platform's account rests."""
    process.one_after_the_other()
    account = (await market.paid_payee()).stripe_account
    await process.turn()
    await process.turn(ACCOUNT_DELAY)
    await process.turn()
    read_at = process.now

    await process.turn(PLATFORM_PAUSE)

    assert (await process.row(account))["due_at"] == read_at + ACCOUNT_PAUSE


# The comparison


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs is looked at several times; the tests need not wait in between."""
    monkeypatch.setattr(compare_with_stripe, "PAUSE_S", 0.001)


async def test_it_compares_once_a_day(market: Marketplace, process: Process) -> None:
    await moved(market, "stripe_fee", -200)
    assert events(await process.turn()) == []

    assert events(await process.turn(FIRST_COMPARISON)) == ["same as Stripe"]
    compared_at = process.now
    assert events(await process.turn(PLATFORM_PAUSE)) == []
    assert (await process.row())["compared_at"] == compared_at
    assert events(await process.turn(NEXT_COMPARISON - PLATFORM_PAUSE - SECOND)) == []
    assert events(await process.turn(PLATFORM_PAUSE)) == ["same as Stripe"]


async def test_a_difference_is_logged_as_an_error(market: Marketplace, process: Process) -> None:
    await moved(market, "stripe_fee", -200)
    await process.turn()
    answer = {"available": [{"amount": -150, "currency": "usd"}], "pending": []}
    await alter_balance(market, answer, times=compare_with_stripe.TRIES)

    (log,) = await process.turn(FIRST_COMPARISON)

    assert (log["event"], log["log_level"]) == ("differs from Stripe", "error")
    assert (log["tenant"], log["account"], log["differences"]) == (TENANT, "", {"USD": 50})
    assert log["wrong"] == ["Stripe's balance is -150 USD, and what moved it -200"]
    assert (await process.row())["differences"] is not None
    assert events(await process.turn(NEXT_COMPARISON)) == ["same as Stripe"]
    assert (await process.row())["differences"] is None


async def test_two_workers_do_not_compare_at_once(market: Marketplace, process: Process) -> None:
    """While one compares, the pass that is due meanwhile is only a pass."""
    other = Process(market)
    await process.turn()
    process.now += FIRST_COMPARISON
    (taken,) = await process.worker.take(1)
    await market.sandbox.fail_next(BALANCE, "latency", method="GET", latency_ms=500)

    comparing = asyncio.create_task(process.worker.do(taken))
    await until(process, lambda row: row["compare_due_at"] > process.now)
    other.now = process.now + LEASE
    logs = await other.turn()
    await comparing

    assert events(logs) == []


async def test_a_comparison_that_was_interrupted_leaves_the_passes_alone(
    market: Marketplace, process: Process
) -> None:
    await process.turn()

    async with failing(market, BALANCE, after=2):
        logs = await process.turn(FIRST_COMPARISON)

    assert events(logs) == ["sweep interrupted"]
    fee = await moved(market, "stripe_fee", -200)
    assert events(await process.turn(TROUBLE_PAUSE)) == []
    assert fee["id"] in await rows(market)
    assert events(await process.turn(LONGEST)) == ["same as Stripe"]


# Trouble


async def test_it_rests_after_trouble(market: Marketplace, process: Process) -> None:
    fee = await moved(market, "stripe_fee", -200)

    async with failing(market, TRANSACTIONS):
        (log,) = await process.turn()

    assert (log["event"], log["tenant"], log["account"]) == ("sweep interrupted", TENANT, "")
    assert "StripeUnavailable" in log["problem"]
    assert (await process.row())["due_at"] == process.now + TROUBLE_PAUSE
    assert await process.worker.run_once() == 0
    await process.turn(TROUBLE_PAUSE)
    assert fee["id"] in await rows(market)


async def test_after_trouble_it_goes_on_with_the_page(
    market: Marketplace, process: Process
) -> None:
    for _ in range(105):
        await moved(market, "stripe_fee", -1)
    async with failing(market, TRANSACTIONS, after=1):
        await process.turn()
    assert len(await rows(market)) == 100

    await process.turn(TROUBLE_PAUSE)

    assert len(await rows(market)) == 105
    assert len(await pages_asked(market)) == 2


async def test_a_page_that_stripe_refuses_is_not_asked_for_again(
    market: Marketplace, process: Process
) -> None:
    fee = await moved(market, "stripe_fee", -200)
    await process.turn()
    await market.owner.execute("UPDATE sweeps SET page_after = 'txn_of_nobody'")

    (log,) = await process.turn(PLATFORM_PAUSE)

    assert "StripeRefused" in log["problem"]
    assert (await process.row())["page_after"] is None
    assert (await process.row())["due_at"] == process.now + TROUBLE_PAUSE
    assert await process.turn(TROUBLE_PAUSE) == []
    assert set(await rows(market)) == {fee["id"]}


async def test_an_account_that_refuses_is_asked_again_a_day_later(
    market: Marketplace, process: Process
) -> None:
    account = (await market.paid_payee()).stripe_account
    await market.sandbox.control(f"accounts/{account}/deauthorize")
    await process.turn()
    await add_accounts(process.runtime.pool, TENANT, {account: process.now}, process.now)

    logs = await process.turn()

    assert [(log["event"], log["account"]) for log in logs] == [("sweep interrupted", account)]
    assert "StripeRefused" in logs[0]["problem"]
    assert (await process.row(account))["due_at"] == process.now + ACCOUNT_PAUSE
    assert (await process.row())["due_at"] == process.now + PLATFORM_PAUSE  # of the turn before
