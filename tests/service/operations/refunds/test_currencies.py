"""Refunds where Stripe settled the payment in another currency: rows 9x, 9r and 12x."""

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.service.movements.strangers import assert_same_as_stripe, charge_of
from tests.service.movements.strangers import refund as refund_in_dashboard
from tests.service.movements.test_currencies import (
    assert_books_hold,
    entries_of,
    in_euro,
    position,
    settles_in_dollars,
)
from tests.service.operations.escrows.split import request_of, share
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.refunds.money import platform, read_refund, refund, stocked
from tests.service.operations.refunds.test_adopt_refund import adopt
from tests.service.operations.refunds.test_failed_refunds import FAILS, resolve


async def now_at(market: Marketplace, eur: float) -> None:
    """The day's rate: what a EUR is worth in USD."""
    await market.sandbox.control("exchange_rates", eur=eur)


async def transferred_in_euro(market: Marketplace, card: str = "") -> pb.Escrow:
    await stocked(market)
    await settles_in_dollars(market)
    if card:
        escrow = await market.new_escrow(currency="EUR", payee=await market.new_payee())
        await market.pay(await market.fund(escrow), card)
        await market.settle()
    else:
        escrow = await in_euro(market, 10_000)
    await market.accept(await market.deliver(escrow))
    await market.settle()
    return await market.read(escrow)


async def assert_nothing_left(market: Marketplace) -> None:
    await market.settle()
    await market.sweep()
    assert set((await position(market)).values()) <= {0}, await position(market)
    assert await platform(market, "liab:refunds_in_flight", "EUR") == 0
    await assert_books_hold(market)
    await assert_same_as_stripe(market)


async def test_the_example_of_the_books(market: Marketplace) -> None:
    """ledger.md: half is refunded after the transfer at 1.15; 60.38 go of 57.75."""
    escrow = await transferred_in_euro(market)
    await now_at(market, 1.15)

    asked = await refund(market, escrow, 5_000)
    await market.settle()

    assert (await entries_of(market, "refunded_from_payee")) == [
        ("asset:receivable:payee:*", "EUR", 4_000),
        ("rev:service_fee", "EUR", 1_000),
        ("rev:platform_fee", "EUR", 250),
        ("liab:refunds_in_flight", "EUR", -5_250),
    ]
    assert (await entries_of(market, "fees_converted_back")) == [
        ("asset:exchange", "EUR", 1_250),
        ("rev:service_fee", "USD", 1_100),
        ("rev:platform_fee", "USD", 275),
        ("rev:service_fee", "EUR", -1_000),
        ("rev:platform_fee", "EUR", -250),
        ("asset:exchange", "USD", -1_375),
    ]
    assert (await entries_of(market, "refund_converted")) == [
        ("liab:refunds_in_flight", "EUR", 5_250),
        ("asset:exchange", "USD", 6_038),
        ("exp:fx", "USD", 263),
        ("asset:exchange", "EUR", -5_250),
        ("asset:stripe", "USD", -6_038),
        ("asset:exchange", "USD", -263),
    ]
    assert (await entries_of(market, "reversal_converted")) == [
        ("asset:exchange", "EUR", 4_000),
        ("asset:stripe", "USD", 4_400),
        ("conn:*:owner", "USD", 4_400),
        ("asset:receivable:payee:*", "EUR", -4_000),
        ("asset:exchange", "USD", -4_400),
        ("conn:*:balance", "USD", -4_400),
    ]
    settled = (await read_refund(market, asked)).settled
    assert (settled.amount_minor, settled.currency) == (6_038, "USD")
    await assert_nothing_left(market)


@pytest.mark.parametrize("rate", [0.9137, 1.1, 1.3333])
@pytest.mark.parametrize("sent", [False, True])
async def test_parts_of_any_size_leave_nothing(
    market: Marketplace, rate: float, sent: bool
) -> None:
    """Held, payable and with the payee; in parts; at another rate than the charge's."""
    await stocked(market)
    await settles_in_dollars(market)
    payee = await market.new_payee(active=sent)
    escrow = await in_euro(market, 6_667, payee=payee)
    release = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=3_333,
    )
    await market.payer.escrows.ReleaseMilestone(release)
    await market.settle()
    await now_at(market, rate)
    for amount_minor in (1_111, 777, 2_001, 1_003, None):
        await refund(market, escrow, amount_minor)
        await market.settle()
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    await assert_nothing_left(market)


@pytest.mark.parametrize("resolution", ["SEND_AGAIN", "PUT_BACK", "PAID_OUTSIDE"])
@pytest.mark.parametrize("sent", [False, True])
async def test_one_that_failed(market: Marketplace, resolution: str, sent: bool) -> None:
    if sent:
        escrow = await transferred_in_euro(market, FAILS)
    else:
        await stocked(market)
        await settles_in_dollars(market)
        escrow = await market.new_escrow(currency="EUR", payee=await market.new_payee())
        await market.pay(await market.fund(escrow), FAILS)
        await market.settle()
    await now_at(market, 1.2345)
    asked = await refund(market, escrow, 3_337)
    await market.settle()
    await now_at(market, 0.99)
    await market.sandbox.advance(120)
    await market.settle()
    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_FAILED
    await assert_books_hold(market)

    await resolve(market, asked, resolution)
    await market.settle()
    await assert_books_hold(market)
    if not sent:
        await market.accept(await market.deliver(await market.read(escrow)))
    await assert_nothing_left(market)


async def test_of_the_dashboard(market: Marketplace) -> None:
    escrow = await transferred_in_euro(market)
    await now_at(market, 1.3)
    await refund_in_dashboard(market, await charge_of(market, escrow), 4_201)
    await market.settle()
    await market.sweep()

    await adopt(market, escrow)

    await assert_nothing_left(market)


async def test_a_refund_of_almost_nothing(market: Marketplace) -> None:
    """It comes to no cent in the currency that the platform holds."""
    await stocked(market)
    await settles_in_dollars(market)
    await market.sandbox.control("exchange_rates", eur=1.1)
    escrow = await in_euro(market, 10_000, payee=await market.new_payee())
    await now_at(market, 0.004)
    asked = await refund(market, escrow, 1)
    await market.settle()
    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_SUCCEEDED
    await assert_nothing_left_of(market)


async def assert_nothing_left_of(market: Marketplace) -> None:
    await market.sweep()
    assert await platform(market, "liab:refunds_in_flight", "EUR") == 0
    await assert_books_hold(market)
    await assert_same_as_stripe(market)


async def test_what_came_to_nothing_for_the_payee_is_refunded(market: Marketplace) -> None:
    """A release so small that there was nothing to transfer of it."""
    await stocked(market)
    await settles_in_dollars(market)
    await market.sandbox.control("exchange_rates", eur=0.1)
    escrow = await in_euro(market, 10_000, payee=await market.new_payee())
    release = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=1,
    )
    await market.payer.escrows.ReleaseMilestone(release)
    await market.settle()
    assert await market.sandbox.objects("/v1/transfers") == []
    asked = await refund(market, await market.read(escrow))
    await market.settle()
    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_SUCCEEDED
    await assert_nothing_left_of(market)


@pytest.mark.parametrize("rate", [0.9137, 1.1, 1.3333])
@pytest.mark.parametrize("sent", [False, True])
async def test_three_payees_leave_nothing(market: Marketplace, rate: float, sent: bool) -> None:
    """Each a third, refunded in parts before and after their transfers, at another day's rate."""
    await stocked(market)
    await settles_in_dollars(market)
    payees = [await market.new_payee(active=sent) for _ in range(3)]
    shares = [share(payees[0]), *(share(each, basis=3_333) for each in payees[1:])]
    request = await request_of(market, shares, 10_001, currency="EUR")
    escrow = (await market.service.escrows.CreateEscrow(request)).escrow
    await market.pay(await market.fund(escrow))
    await market.settle()
    await refund(market, escrow, 1_000)
    await market.accept(await market.deliver(escrow))
    await market.settle()
    await now_at(market, rate)

    await refund(market, escrow, 3_334)
    await market.settle()
    for payee in payees:
        await market.onboard(payee)
    await market.settle()
    await refund(market, escrow)
    await assert_nothing_left(market)

    done = (await market.read(escrow)).milestones[0]
    assert done.state == pb.MILESTONE_STATE_REFUNDED
    assert done.refunded.amount_minor == 10_001
    for payee in payees:
        assert await market.balance(f"liab:payee:{payee.id}:payable") == 0
    for fee in ("rev:service_fee", "rev:platform_fee"):
        assert await platform(market, fee, "EUR") == await platform(market, fee, "USD") == 0
