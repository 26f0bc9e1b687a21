"""``escrow sweep``, as an operator and as a program reads it."""

import json

import pytest

from tests.postgres import Database
from tests.service.cli.processes import Run, escrow_at
from tests.service.movements.strangers import assert_same_as_stripe, moved, rows
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.sweeps.passes import failing
from tests.service.operations.sweeps.test_sweep_balance_transactions import planned_and_made

LONG_AGO = 86_400  # longer than the while that every pass reads again


@pytest.fixture
def escrow(market: Marketplace, database: Database) -> Run:
    return escrow_at(market, database)


async def test_it_books_what_is_new_of_every_account(market: Marketplace, escrow: Run) -> None:
    payee = await market.paid_payee()
    fee = await moved(market, "stripe_fee", -200)

    said = await escrow("sweep")

    assert said.status == 0, said.err
    # The charge and the transfer were booked when they were made.
    assert said.out == (
        f"default, platform: 3 read, 1 new\ndefault, {payee.stripe_account}: 1 read, 0 new\n"
    )
    assert "default, platform: 3 read" in said.err
    assert (await rows(market))[fee["id"]]["kind"] == "stripe_fee"
    await assert_same_as_stripe(market)


async def test_once_more_finds_nothing_new(market: Marketplace, escrow: Run) -> None:
    await moved(market, "stripe_fee", -200)
    await escrow("sweep")
    books = await market.books()

    said = await escrow("sweep")

    assert (said.status, said.out) == (0, "default, platform: 1 read, 0 new\n")
    assert await market.books() == books


async def test_from_the_start_it_reads_everything_again(market: Marketplace, escrow: Run) -> None:
    """After an upgrade from a version that kept no rows."""
    await market.paid_payee()
    await market.sandbox.advance(LONG_AGO)
    await market.paid_payee()
    await market.sweep()
    books, before = await market.books(), await rows(market)
    await market.owner.execute("TRUNCATE balance_transactions")
    await market.owner.execute("DELETE FROM operations WHERE kind = 'book_balance_transaction'")

    since = await escrow("sweep")
    whole = await escrow("sweep", "--from-start")

    assert since.out.startswith("default, platform: 2 read, 2 new\n")
    assert whole.out.startswith("default, platform: 4 read, 2 new\n")
    assert whole.status == 0, whole.err
    assert await rows(market) == before
    assert await market.books() == books


async def test_what_is_on_its_way_is_told(market: Marketplace, escrow: Run) -> None:
    made = await planned_and_made(market)

    said = await escrow("sweep")

    assert said.status == 0, said.err
    assert f"on its way: {made['id']}, the transfer's effect is PLANNED\n" in said.out


async def test_an_account_that_stripe_does_not_show_is_told_and_stops_no_other(
    market: Marketplace, escrow: Run
) -> None:
    gone, there = await market.paid_payee(), await market.paid_payee()
    await market.sandbox.control(f"accounts/{gone.stripe_account}/deauthorize")

    said = await escrow("sweep")

    assert said.status == 1, said.err
    assert f"default, {gone.stripe_account}: Stripe does not show it: " in said.out
    assert f"default, {there.stripe_account}: 1 read, 0 new\n" in said.out


async def test_programs_get_one_object(market: Marketplace, escrow: Run) -> None:
    """What is logged meanwhile is not a part of it."""
    made = await planned_and_made(market)
    await moved(market, "adjustment", -1_234)
    account = await market.owner.fetchval("SELECT stripe_account FROM payees")

    said = await escrow("sweep", "--json")

    assert said.status == 0, said.err
    assert said.out.count("\n") == 1
    why = "the transfer's effect is PLANNED"
    assert "unexplained at Stripe" in said.err
    platform, connected = json.loads(said.out)["accounts"]
    assert platform == {
        "tenant": "default",
        "account": "",
        "swept": {"seen": 4, "booked": 2, "undecided": {made["id"]: why}},
        "problem": "",
    }
    assert (connected["account"], connected["swept"]["seen"]) == (account, 1)
    assert list(connected["swept"]["undecided"].values()) == [why]


async def test_programs_get_the_problem(market: Marketplace, escrow: Run) -> None:
    async with failing(market, "/v1/balance_transactions"):
        said = await escrow("sweep", "--json")

    assert said.status == 1, said.err
    (platform,) = json.loads(said.out)["accounts"]
    assert platform["problem"].startswith("Stripe does not show it: ")
