"""AdoptReversal where Stripe settled the payment in another currency, and where the payee's account
holds a third: rows 12x, 19x and 12cx against what was unexplained.
"""

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1.money_pb2 import Money
from tests.service.movements.strangers import lift
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.refunds.money import put_back, receivables, refund
from tests.service.operations.refunds.reversals import adopt, lines, reverse, transfers
from tests.service.operations.refunds.test_converting_accounts import book, transferred
from tests.service.operations.refunds.test_currencies import (
    assert_nothing_left,
    now_at,
    transferred_in_euro,
)
from tests.service.operations.refunds.test_failed_refunds import FAILS


def eur(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="EUR")


async def assert_given_back(market: Marketplace, escrow: pb.Escrow) -> None:
    await assert_nothing_left(market)
    assert not (await market.read(escrow)).milestones[0].freezes


@pytest.mark.parametrize("rate", [0.9137, 1.1, 1.3333])
async def test_for_the_debt(market: Marketplace, rate: float) -> None:
    """The example of ledger.md: half is refunded, 40.00 EUR were 44.00 USD."""
    escrow = await transferred_in_euro(market)
    made = await reverse(market, 4_400)
    await lift(market, escrow)
    await now_at(market, rate)
    await market.sandbox.stripe(
        f"/v1/transfers/{made['transfer']}/reversals"
    )  # all is reversed, so that ours brings nothing
    await refund(market, escrow, 5_000)
    await market.settle()
    (debt,) = await receivables(market)
    assert (debt.owed, debt.refusal_code) == (eur(4_000), "reversed_at_stripe")

    await adopt(market, escrow, made, "FOR_DEBT")

    assert await lines(market, "reversal_explained_converted") == [
        ("asset:exchange", "EUR", 4_000),
        ("liab:unexplained:*", "USD", 4_400),
        ("conn:*:owner", "USD", 4_400),
        ("asset:receivable:payee:*", "EUR", -4_000),
        ("asset:exchange", "USD", -4_400),
        ("conn:*:balance", "USD", -4_400),
    ]
    assert [d.owed for d in await receivables(market)] == [eur(0)]


async def test_it_is_the_payees_again(market: Marketplace) -> None:
    """They are sent what the same part of the charge was, not what it is today."""
    escrow = await transferred_in_euro(market)
    await now_at(market, 1.3)
    made = await reverse(market, 4_400)

    adopted = await adopt(market, escrow, made, "GIVE_BACK")

    assert (adopted.share, adopted.taken.amount_minor) == (eur(4_000), 4_400)
    assert await lines(market, "given_back_converted") == [
        ("asset:exchange", "EUR", 4_000),
        ("liab:unexplained:*", "USD", 4_400),
        ("conn:*:owner", "USD", 4_400),
        ("liab:payee:*:payable", "EUR", -4_000),
        ("asset:exchange", "USD", -4_400),
        ("conn:*:balance", "USD", -4_400),
    ]
    await assert_given_back(market, escrow)
    assert [t["amount"] for t in await transfers(market)] == [8_800, 4_400]


@pytest.mark.parametrize("amounts_minor", [(1, 2, 8_797), (4_399, 3), (8_799,), (3_333, 3_333)])
async def test_parts_of_any_size_leave_nothing(
    market: Marketplace, amounts_minor: tuple[int, ...]
) -> None:
    """Some are given back, some pay what is owed, and at last all is refunded."""
    escrow = await transferred_in_euro(market)
    made = [await reverse(market, minor) for minor in amounts_minor]
    await lift(market, escrow)
    await refund(market, escrow, 3_337)
    await market.settle()
    for each in made:
        if await receivables(market, "state = OWED"):
            left = (await adopt(market, escrow, each, "FOR_DEBT")).left.amount_minor
        else:
            left = each["amount"]
        if left:
            await adopt(market, escrow, each, "GIVE_BACK")
        await market.settle()
    await assert_given_back(market, escrow)
    assert all(not d.owed.amount_minor for d in await receivables(market))

    await refund(market, escrow)
    await assert_nothing_left(market)
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    assert {t["amount"] - t["amount_reversed"] for t in await transfers(market)} == {0}


async def test_what_came_back_is_sent_again_when_the_refund_fails(market: Marketplace) -> None:
    """Of 88.00 USD 33.33 were reversed in the dashboard, and adopted; the rest by us."""
    escrow = await transferred_in_euro(market, FAILS)
    made = await reverse(market, 3_333)
    await lift(market, escrow)
    asked = await refund(market, escrow)
    await market.settle()
    await adopt(market, escrow, made, "FOR_DEBT")
    await market.sandbox.advance(120)
    await market.settle()

    await put_back(market, asked)

    await assert_given_back(market, escrow)
    assert sum(t["amount"] - t["amount_reversed"] for t in await transfers(market)) == 8_800


async def assert_holds_euro_of_ours(market: Marketplace, escrow: pb.Escrow) -> None:
    await assert_given_back(market, escrow)
    held = await book(market)
    assert {name for name, _ in held} == {"balance", "owner"}
    assert {currency for _, currency in held} == {"EUR"}


async def test_the_account_holds_another_currency(market: Marketplace) -> None:
    """44.00 USD at 1.05 are 41.90 EUR, which the payee's account gave back."""
    escrow, _ = await transferred(market)
    await now_at(market, 1.05)

    await adopt(market, escrow, await reverse(market, 4_400), "GIVE_BACK")

    assert await lines(market, "external_took_recognized") == [
        ("conn:*:external", "EUR", 4_190),
        ("conn:*:owner", "EUR", -4_190),
    ]
    assert await lines(market, "returned_converted") == [
        ("conn:*:balance", "USD", 4_400),
        ("conn:*:owner", "EUR", 4_190),
        ("conn:*:owner", "USD", -4_400),
        ("conn:*:balance", "EUR", -4_190),
    ]
    await assert_holds_euro_of_ours(market, escrow)


async def test_two_parts_of_what_another_currency_gave(market: Marketplace) -> None:
    """All of 88.00 USD at 1.2 are 73.33 EUR: no cent is lost between the two."""
    escrow, _ = await transferred(market)
    await now_at(market, 1.2)
    made = await reverse(market)
    await lift(market, escrow)
    await refund(market, escrow, 5_000)
    await market.settle()

    await adopt(market, escrow, made, "FOR_DEBT")
    await adopt(market, escrow, made, "GIVE_BACK")

    assert await lines(market, "external_took_recognized") == [
        ("conn:*:external", "EUR", 3_666),
        ("conn:*:owner", "EUR", -3_666),
        ("conn:*:external", "EUR", 3_667),
        ("conn:*:owner", "EUR", -3_667),
    ]
    await assert_holds_euro_of_ours(market, escrow)


async def test_the_account_was_not_read_yet(market: Marketplace) -> None:
    """It is read first, for only it says what it gave back."""
    escrow, _ = await transferred(market)
    await now_at(market, 1.05)
    await market.sandbox.stripe(
        f"/v1/transfers/{(await transfers(market))[0]['id']}/reversals", amount="4400"
    )
    await market.settle()
    await market.sweeps.run_once()
    await market.owner.execute(
        "UPDATE sweeps SET due_at = now() + interval '1 day' WHERE stripe_account <> ''"
    )
    await market.owner.execute("UPDATE sweeps SET due_at = now() WHERE stripe_account = ''")
    await market.sweeps.run_once()
    reversals = (await transfers(market))[0]["reversals"]["data"]

    await adopt(market, escrow, reversals[0], "GIVE_BACK")

    assert await lines(market, "external_took_recognized") == [
        ("conn:*:external", "EUR", 4_190),
        ("conn:*:owner", "EUR", -4_190),
    ]
    await assert_holds_euro_of_ours(market, escrow)
