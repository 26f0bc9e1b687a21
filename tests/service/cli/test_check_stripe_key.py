"""``escrow check-stripe-key``, and that the permissions which it asks for are all that we need."""

import json

import pytest

from service.stripe.permissions import NEEDS, try_permissions
from tests.postgres import Database
from tests.service.cli.processes import Run, escrow_at
from tests.service.operations.marketplace import API_KEY, TENANT, Marketplace
from tests.service.stripe.permitted import GRANTED, asked_of_stripe, beyond_permissions


@pytest.fixture
def escrow(market: Marketplace, database: Database) -> Run:
    return escrow_at(market, database)


async def test_a_key_with_every_permission_is_enough(market: Marketplace, escrow: Run) -> None:
    await market.sandbox.control("keys", key=API_KEY, permissions=GRANTED)

    said = await escrow("check-stripe-key")

    assert said.status == 0, said.out + said.err
    assert said.row("customer_write") == ["customer_write", "granted", "payers"]


async def test_it_names_what_is_missing(market: Marketplace, escrow: Run) -> None:
    few = [each for each in GRANTED if each != "transfer_write"]
    await market.sandbox.control("keys", key=API_KEY, permissions=few)

    said = await escrow("check-stripe-key", "--json")

    assert said.status == 1
    told = json.loads(said.out)["permissions"]
    assert [each["permission"] for each in told if each["verdict"] != "granted"] == [
        "transfer_write"
    ]
    assert API_KEY not in said.out + said.err


async def test_each_of_them_is_told_when_it_is_missing(market: Marketplace) -> None:
    gateway = market.running.runtime.stripe[TENANT]
    for missing in GRANTED:
        few = [each for each in GRANTED if each != missing]
        await market.sandbox.control("keys", key=API_KEY, permissions=few)

        tried = await try_permissions(gateway)

        told = [(each.need.permission, each.told) for each in tried if each.verdict != "granted"]
        assert told == [(missing, missing)]


async def test_it_changes_nothing(market: Marketplace) -> None:
    await try_permissions(market.running.runtime.stripe[TENANT])

    requests = (await market.sandbox.control("requests", verb="GET"))["data"]
    assert len(requests) == len(NEEDS)
    assert [each["path"] for each in requests if each["method"] == "POST"]
    assert not [
        each["path"] for each in requests if each["method"] == "POST" and each["status"] < 400
    ]


async def test_a_key_that_was_rolled_is_told_apart(market: Marketplace, escrow: Run) -> None:
    await market.sandbox.control("keys", key=API_KEY, expired=True)

    said = await escrow("check-stripe-key")

    assert (said.status, said.out) == (1, "")
    assert "refuses the key itself" in said.err
    assert API_KEY not in said.err


async def test_the_permissions_are_enough_for_a_deal_and_the_sweep(market: Marketplace) -> None:
    """And for every method of the contract: see isolation/, which asks by all of them."""
    await market.sandbox.control("keys", key=API_KEY, permissions=GRANTED)
    payee = await market.paid_payee()
    await market.pay_out(payee, 1_000)
    await market.sweep()

    requests = await asked_of_stripe(market)
    paths = {each["path"] for each in requests}
    assert paths >= {"/v1/transfers", "/v1/payouts", "/v1/balance_transactions"}
    assert beyond_permissions(requests) == []
