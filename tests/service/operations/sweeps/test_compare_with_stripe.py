"""The comparison with Stripe finds each difference, names it, and finds nothing else.

The rows are spoiled as the database's owner, past the trigger that keeps the service from it.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from service.operations.operators.verify_stripe import verify_stripe
from service.operations.sweeps import compare_with_stripe
from service.operations.sweeps.compare_with_stripe import (
    LONGEST,
    MOST_SHOWN,
    NEXT_COMPARISON,
    TRIES,
    Comparison,
    compare_account,
)
from service.operations.sweeps.sweep_balance_transactions import PLATFORM_PAUSE
from service.store.queues import Waiting, find_waiting
from tests.service.movements.strangers import assert_same_as_stripe, moved, rows
from tests.service.operations.marketplace import TENANT, Marketplace
from tests.service.operations.sweeps.passes import (
    Json,
    at,
    failing,
    list_instead,
    read,
    sweep_of,
    transactions,
)
from tests.service.operations.sweeps.test_sweep_balance_transactions import planned_and_made

BALANCE = "/v1/balance"
LISTS = 2  # before the balance: what is new, and then all
A_DAY = timedelta(days=1)
SOME_TIME_AGO = 86_400  # and longer than the while that every pass reads again


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs is looked at several times; the tests need not wait in between."""
    monkeypatch.setattr(compare_with_stripe, "PAUSE_S", 0.001)


async def spoil(market: Marketplace, statement: str, *arguments: object) -> None:
    async with market.owner.transaction():
        await market.owner.execute("SET LOCAL session_replication_role = replica")
        status = await market.owner.execute(statement, *arguments)
    assert status.endswith(" 1"), status


@asynccontextmanager
async def spoiled(market: Marketplace, transaction_id: str, change: str) -> AsyncIterator[None]:
    """A row is wrong inside, and then as it was: the market looks at its books in the end."""
    which = "WHERE balance_transaction_id = $1"
    row = await market.owner.fetchrow(f"SELECT * FROM balance_transactions {which}", transaction_id)
    assert row is not None
    await spoil(market, f"{change} {which}", transaction_id)
    yield
    await market.owner.execute("SET session_replication_role = replica")
    await market.owner.execute(f"DELETE FROM balance_transactions {which}", transaction_id)
    await market.owner.execute("RESET session_replication_role")
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await spoil(market, f"INSERT INTO balance_transactions VALUES ({places})", *row.values())


def changed(change: str) -> str:
    return f"UPDATE balance_transactions SET {change}"


async def compare(market: Marketplace, account: str = "") -> Comparison:
    sweep = await sweep_of(market, account)
    return await compare_account(market.alone, sweep, every=PLATFORM_PAUSE)


async def stored(market: Marketplace, account: str = "") -> Any:  # noqa: ANN401  JSON
    query = "SELECT differences FROM sweeps WHERE stripe_account = $1"
    return json.loads(await market.owner.fetchval(query, account) or "null")


async def differing(market: Marketplace) -> list[Waiting]:
    waiting = await find_waiting(market.alone.pool, [TENANT])
    return [each for each in waiting if each.queue == "differences"]


async def alter_balance(market: Marketplace, answer: Json, *, times: int) -> None:
    """The balance of so many looks. The faults go by the beginning of a path, and the lists between
    the balances have the same one; they have no such fields to alter.
    """
    for look in range(times):
        lists = 1 if look else LISTS
        await market.sandbox.fail_next(BALANCE, "latency", method="GET", times=lists)
        await market.sandbox.fail_next(BALANCE, "altered", method="GET", answer=answer)


async def read_some_time_ago(market: Marketplace) -> str:
    """A fee that the passes to come do not read again; its id."""
    fee = await moved(market, "stripe_fee", -200)
    await read(market)
    await market.sandbox.advance(SOME_TIME_AGO)
    await moved(market, "stripe_fee", -1)
    await read(market)
    return str(fee["id"])


# All is the same


async def test_everything_is_compared_and_the_same(market: Marketplace) -> None:
    payee = await market.paid_payee()
    await moved(market, "topup", 500)

    platform, connected = await market.compare()

    assert (platform.tenant, platform.account) == (TENANT, "")
    assert (connected.tenant, connected.account) == (TENANT, payee.stripe_account)
    assert (platform.compared, connected.compared) == (3, 1)
    assert dict(connected.stripe) == dict(connected.books) == {"USD": 8_000}
    assert platform.stripe == platform.books
    assert platform.clean
    assert (platform.differences, platform.wrong, platform.undecided) == ({}, [], {})


async def test_what_is_the_same_is_stored_and_shows_in_no_queue(market: Marketplace) -> None:
    await moved(market, "topup", 500)
    before = market.alone.clock()

    await compare(market)

    query = "SELECT differences, compared_at, compare_due_at FROM sweeps"
    ((differences, compared_at, due_at),) = await market.owner.fetch(query)
    assert differences is None
    assert before <= compared_at <= market.alone.clock()
    assert due_at == compared_at + NEXT_COMPARISON
    assert await differing(market) == []


async def test_what_is_undecided_is_on_its_way_and_no_difference(market: Marketplace) -> None:
    made = await planned_and_made(market)

    found = await compare(market)

    assert found.clean, found
    assert dict(found.on_its_way) == {"USD": -8_000}
    assert found.undecided == {made["id"]: "the transfer's effect is PLANNED"}
    assert found.books["USD"] - found.stripe["USD"] == 8_000
    assert await stored(market) is None
    assert await differing(market) == []


async def test_progress_is_told_page_by_page(market: Marketplace) -> None:
    for _ in range(101):
        await moved(market, "stripe_fee", -1)
    told: list[tuple[str, str, int]] = []

    await verify_stripe(market.alone, lambda *what: told.append(what))

    assert told[-2:] == [(TENANT, "", 100), (TENANT, "", 101)]


# What differs


async def test_a_row_that_was_lost_is_restored(market: Marketplace) -> None:
    """It lies before what a pass reads again. The journal is there."""
    fee = await read_some_time_ago(market)
    before = await rows(market)
    books = await market.books()
    await market.owner.execute(
        "DELETE FROM balance_transactions WHERE balance_transaction_id = $1", fee
    )

    found = await compare(market)

    assert found.clean, found
    assert await rows(market) == before
    assert await market.books() == books


async def test_a_transaction_that_nobody_has_booked_is_booked(
    market: Marketplace,
) -> None:
    """A pass said that it had read so far, and had not."""
    fee = await moved(market, "stripe_fee", -200)
    await sweep_of(market)
    await market.owner.execute("UPDATE sweeps SET swept_through = $1", at(fee) + A_DAY)

    found = await compare(market)

    assert found.clean, found
    assert fee["id"] in await rows(market)
    assert await stored(market) is None


AMOUNT = "amount_minor = amount_minor - 1, net_minor = net_minor - 1"


@pytest.mark.parametrize(
    "change",
    [AMOUNT, "fee_minor = 7, amount_minor = net_minor + 7", "currency = 'EUR'"],
)
async def test_a_row_of_another_amount_is_named(market: Marketplace, change: str) -> None:
    fee = (await moved(market, "stripe_fee", -200))["id"]
    await moved(market, "stripe_fee", -300)
    await read(market)

    async with spoiled(market, fee, changed(change)):
        found = await compare(market)

    wrong = found.wrong[0]  # and the books are not what the rows come to
    assert wrong.startswith(f"{fee} is ShownAmounts(amount_minor=-200, ")
    assert not found.clean


async def test_a_row_that_stripe_does_not_list_is_named(market: Marketplace) -> None:
    await moved(market, "stripe_fee", -200)
    await moved(market, "stripe_fee", -300)
    await read(market)
    (hidden, shown) = await transactions(market)
    await list_instead(market, [shown], times=2)

    found = await compare(market)

    assert found.wrong == [f"{hidden['id']} has a row, and Stripe does not list it"]
    assert found.differences == {"USD": 300}


async def test_a_balance_that_its_transactions_do_not_come_to_is_told(market: Marketplace) -> None:
    await moved(market, "stripe_fee", -200)
    answer = {"available": [{"amount": -150, "currency": "usd"}], "pending": []}
    await alter_balance(market, answer, times=TRIES)

    found = await compare(market)

    assert found.wrong == ["Stripe's balance is -150 USD, and what moved it -200"]
    assert found.differences == {"USD": 50}
    assert await stored(market) == {"USD": 50}


async def test_a_balance_in_a_currency_that_nothing_moved_is_told(market: Marketplace) -> None:
    await moved(market, "stripe_fee", -200)
    amounts = [{"amount": -200, "currency": "usd"}, {"amount": 7, "currency": "eur"}]
    answer = {"available": amounts[:1], "pending": amounts[1:]}
    await alter_balance(market, answer, times=TRIES)

    found = await compare(market)

    assert found.wrong == ["Stripe's balance is 7 EUR, and what moved it 0"]
    assert found.differences == {"EUR": 7}


async def test_one_that_cannot_be_read_is_named(market: Marketplace) -> None:
    await moved(market, "stripe_fee", -200)
    await moved(market, "stripe_fee", -300)
    await read(market)
    (newer, older) = await transactions(market)
    await list_instead(market, [newer | {"net": -1}, older], times=2)

    found = await compare(market)

    named = f"{newer['id']} cannot be read: {newer['id']} is of -300 less 0, not -1"
    assert found.wrong == [named, "Stripe's balance is -500 USD, and what moved it -200"]


async def test_what_moves_while_it_is_compared_is_looked_at_again(market: Marketplace) -> None:
    """The list was of one moment, and the balance of the next."""
    await moved(market, "stripe_fee", -200)
    answer = {"available": [{"amount": -150, "currency": "usd"}], "pending": []}
    await alter_balance(market, answer, times=1)

    found = await compare(market)

    assert found.clean, found
    assert await stored(market) is None


async def test_a_list_of_wrong_rows_has_an_end(market: Marketplace) -> None:
    for _ in range(MOST_SHOWN + 5):
        await moved(market, "stripe_fee", -1)
    await read(market)
    await list_instead(market, [], times=2)

    assert len((await compare(market)).wrong) == MOST_SHOWN


# What a difference leaves


async def test_a_difference_shows_in_the_queue_until_it_is_gone(market: Marketplace) -> None:
    fee = await read_some_time_ago(market)

    async with spoiled(market, fee, changed(AMOUNT)):
        await compare(market)
    (waiting,) = await differing(market)
    assert (waiting.state, waiting.items, waiting.due_at) == ("FOUND", 1, None)

    await compare(market)
    assert await stored(market) is None
    assert await differing(market) == []


async def test_what_a_difference_is_about_is_that_account_only(market: Marketplace) -> None:
    payee, other = await market.paid_payee(), await market.paid_payee()
    await market.sweep()
    account = payee.stripe_account
    (got,) = await transactions(market, account)

    async with spoiled(market, got["id"], changed(AMOUNT)):
        found = {each.account: each for each in await market.compare()}

    assert [name for name, each in found.items() if not each.clean] == [account]
    assert set(found) == {"", account, other.stripe_account}
    assert await stored(market, account)
    assert len(await differing(market)) == 1


@pytest.mark.parametrize("told", [True, False])
async def test_an_account_that_refuses_is_clean_only_when_its_owner_is_known_to_have_left(
    market: Marketplace, *, told: bool
) -> None:
    """A payee who disconnects made every comparison fail for ever."""
    gone, there = await market.paid_payee(), await market.paid_payee()
    await market.sweep()
    await market.sandbox.control(f"accounts/{gone.stripe_account}/deauthorize")
    if told:
        await market.settle()

    found = {each.account: each for each in await market.compare()}

    left = found[gone.stripe_account]
    assert (left.clean, left.access_removed) == (told, told)
    assert told or left.wrong[0].startswith("Stripe does not show it: ")
    assert await stored(market, gone.stripe_account) == (None if told else {"rows": 1})
    assert found[""].clean
    assert found[there.stripe_account].clean


async def test_a_balance_that_stripe_does_not_show_is_not_clean(market: Marketplace) -> None:
    await moved(market, "stripe_fee", -200)

    async with failing(market, BALANCE, after=LISTS):
        (found,) = await market.compare()

    assert found.wrong[0].startswith("Stripe does not answer: ")
    assert len(await rows(market)) == 1  # it was booked all the same
    await assert_same_as_stripe(market)


async def test_a_balance_that_nobody_can_read_is_not_clean(market: Marketplace) -> None:
    await alter_balance(market, {"available": "much"}, times=1)

    (found,) = await market.compare()

    assert found.wrong[0].startswith("Stripe does not show it: ")
    await assert_same_as_stripe(market)


async def test_a_comparison_that_was_interrupted_is_not_made_again_at_once(
    market: Marketplace,
) -> None:
    """Nor by another worker, while it goes on."""
    before = market.alone.clock()

    async with failing(market, BALANCE, after=LISTS):
        await market.compare()

    due = await market.owner.fetchval("SELECT compare_due_at FROM sweeps")
    assert timedelta() <= due - before - LONGEST < timedelta(minutes=1)
