"""``escrow verify``, and with ``--stripe``: as an operator and as a program reads it."""

import json

import pytest

from tests.postgres import Database
from tests.service.cli.processes import Run, escrow_at
from tests.service.movements.strangers import moved, rows
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.sweeps.passes import read
from tests.service.operations.sweeps.test_compare_with_stripe import changed, spoiled
from tests.service.operations.sweeps.test_sweep_balance_transactions import planned_and_made

LONG_AGO = 86_400  # longer than the while that every pass reads again


@pytest.fixture
def escrow(market: Marketplace, database: Database) -> Run:
    return escrow_at(market, database)


async def booked_long_ago(market: Marketplace) -> str:
    """A fee that no pass reads again; its id."""
    fee = await moved(market, "stripe_fee", -200)
    await market.sandbox.advance(LONG_AGO)
    await moved(market, "topup", 100_000)
    await read(market)
    return str(fee["id"])


async def test_without_stripe_it_says_that_stripe_was_not_asked(
    market: Marketplace, escrow: Run
) -> None:
    fee = await moved(market, "stripe_fee", -200)

    said = await escrow("verify")

    assert said.status == 0, said.err
    assert "the books are right\n" in said.out
    assert "Stripe was not asked: escrow verify --stripe compares with Stripe itself" in said.out
    assert "same as Stripe" not in said.out
    assert fee["id"] not in await rows(market)


async def test_with_stripe_it_says_that_all_is_the_same(market: Marketplace, escrow: Run) -> None:
    payee = await market.paid_payee()
    await moved(market, "topup", 100_000)

    said = await escrow("verify", "--stripe")

    assert said.status == 0, said.err
    assert said.out.endswith("the books are right\nthe same as Stripe\n")
    assert "not asked" not in said.out
    at_stripe = market.alone.stripe["default"].for_workers
    held = (await at_stripe.fetch_balance())["available"][0]["amount"]
    shown = f"{held // 100:,}.{held % 100:02}"
    assert said.row("default", "platform")[2:] == ["3", shown, shown, "0.00", "none"]
    account = payee.stripe_account
    assert said.row("default", account)[2:] == ["1", "80.00", "80.00", "0.00", "none"]
    assert said.err.strip() == ""  # a pipe sees nothing of the progress


async def test_a_difference_is_shown_with_its_row(market: Marketplace, escrow: Run) -> None:
    fee = await booked_long_ago(market)

    async with spoiled(market, fee, changed("amount_minor = -1, net_minor = -1")):
        said = await escrow("verify", "--stripe")

    assert said.status == 1, said.err
    assert f"default, platform: {fee} is ShownAmounts(amount_minor=-200" in said.out
    assert said.out.endswith("different from Stripe\n")


async def test_an_amount_that_differs_is_shown(market: Marketplace, escrow: Run) -> None:
    await moved(market, "topup", 100_000)
    amounts = [{"amount": 100_050, "currency": "usd"}]
    await market.sandbox.fail_next(
        "/v1/balance", "altered", method="GET", answer={"available": amounts}, times=20
    )

    said = await escrow("verify", "--stripe")

    assert said.status == 1, said.err
    assert said.row("default", "platform")[3:] == ["1,000.50", "1,000.00", "0.00", "0.50"]
    assert "Stripe's balance is 100050 USD, and what moved it 100000" in said.out
    assert said.out.endswith("the books are right\ndifferent from Stripe\n")


async def test_what_is_on_its_way_is_shown_and_is_no_difference(
    market: Marketplace, escrow: Run
) -> None:
    made = await planned_and_made(market)

    said = await escrow("verify", "--stripe")

    assert said.status == 0, said.err
    assert said.row("default", "platform")[-2:] == ["-80.00", "none"]
    assert f"on its way: {made['id']}, the transfer's effect is PLANNED\n" in said.out
    assert said.out.endswith("the same as Stripe\n")


async def test_an_account_that_stripe_does_not_show_is_told(
    market: Marketplace, escrow: Run
) -> None:
    payee = await market.paid_payee()
    await market.sweep()
    await market.sandbox.control(f"accounts/{payee.stripe_account}/deauthorize")

    said = await escrow("verify", "--stripe")

    assert said.status == 1, said.err
    assert f"default, {payee.stripe_account}: Stripe does not show it: " in said.out
    assert said.row("default", "platform")[-1] == "none"


async def test_programs_get_the_same_facts(market: Marketplace, escrow: Run) -> None:
    """And nothing of what is logged meanwhile."""
    payee = await market.paid_payee()
    await moved(market, "adjustment", -1_234)

    said = await escrow("verify", "--stripe", "--json")

    assert said.status == 0, said.err
    assert said.out.count("\n") == 1
    assert "unexplained at Stripe" in said.err
    report = json.loads(said.out)
    assert report["clean"] is True
    assert {"postings", "balances"} <= {check["name"] for check in report["checks"]}
    platform, connected = report["stripe"]
    assert (platform["tenant"], platform["account"], platform["clean"]) == ("default", "", True)
    assert connected == {
        "tenant": "default",
        "account": payee.stripe_account,
        "compared": 1,
        "stripe": {"USD": 8_000},
        "books": {"USD": 8_000},
        "on_its_way": {},
        "undecided": {},
        "wrong": [],
        "access_removed": False,
        "settings": [],
        "clean": True,
        "differences": {},
    }


async def test_programs_get_the_same_difference(market: Marketplace, escrow: Run) -> None:
    fee = await booked_long_ago(market)

    async with spoiled(market, fee, changed("amount_minor = -1, net_minor = -1")):
        said = await escrow("verify", "--stripe", "--json")

    assert said.status == 1, said.err
    report = json.loads(said.out)
    (platform,) = report["stripe"]
    assert (report["clean"], platform["clean"]) == (False, False)
    assert platform["wrong"][0].startswith(f"{fee} is ShownAmounts(amount_minor=-200")


async def test_programs_see_that_stripe_was_not_asked(market: Marketplace, escrow: Run) -> None:
    await moved(market, "stripe_fee", -200)

    said = await escrow("verify", "--json")

    assert said.status == 0, said.err
    assert json.loads(said.out)["stripe"] is None
