"""AdoptRefund: a refund that somebody made in the dashboard becomes one of ours, once."""

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.domain.fees import FeeRule
from service.domain.policy import Limits, Policy
from tests.service.domain.policies import rules
from tests.service.movements.strangers import charge_of, dispute
from tests.service.movements.strangers import refund as refund_in_dashboard
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.policies.policies import apply as apply_policy
from tests.service.operations.refunds.money import (
    assert_done,
    platform,
    receivables,
    stocked,
    transferred,
)


async def adopt(
    market: Marketplace, escrow: pb.Escrow, *, validate_only: bool = False, freeze_id: str = ""
) -> refund_pb.AdoptRefundResponse:
    shown = await market.read(escrow)
    freezes = [each.id for m in shown.milestones for each in m.freezes]
    request = refund_pb.AdoptRefundRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        freeze_id=freeze_id or freezes[0],
        reason="Support gave it back.",
        validate_only=validate_only,
    )
    return await market.client("operator", role="operator").refunds.AdoptRefund(request)


@pytest.mark.parametrize("amount_minor", [None, 4_200, 4_201, 4_203, 1, 10_499])
@pytest.mark.parametrize("swept", [False, True])
async def test_of_what_is_held(market: Marketplace, amount_minor: int | None, swept: bool) -> None:
    """Whatever was given back, price and fee add up to it, and to what is left."""
    await stocked(market)
    escrow = await market.funded_escrow(payee=await market.new_payee())
    await refund_in_dashboard(market, await charge_of(market, escrow), amount_minor)
    await market.settle()
    if swept:
        await market.sweep()

    async with market.unchanged():
        await adopt(market, escrow, validate_only=True)
    answer = await adopt(market, escrow)

    assert answer.refund.state == refund_pb.REFUND_STATE_SUCCEEDED
    assert answer.refund.amount == usd(amount_minor or 10_500)
    assert answer.escrow.milestones[0].frozen == usd(0)
    await assert_done(market)
    left = (await market.read(escrow)).milestones[0]
    if left.held.amount_minor:
        await market.accept(await market.deliver(escrow))
        await market.settle()
        assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    else:
        assert left.state == pb.MILESTONE_STATE_REFUNDED
    assert await market.balance(f"liab:escrow:{left.id}:fee_held") == 0
    assert await platform(market, "asset:unexplained") == 0
    await assert_done(market)


async def test_only_once(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.funded_escrow()
    await refund_in_dashboard(market, await charge_of(market, escrow), 2_100)
    await market.settle()
    freeze_id = (await market.read(escrow)).milestones[0].freezes[0].id
    await adopt(market, escrow)

    async with market.refuses("WRONG_STATE"):
        await adopt(market, escrow, freeze_id=freeze_id)
    await market.settle()
    await assert_done(market)


async def test_after_the_transfer_the_payee_gives_it_back(market: Marketplace) -> None:
    await stocked(market)
    escrow = await transferred(market)
    await refund_in_dashboard(market, await charge_of(market, escrow))
    await market.settle()
    await market.sweep()

    await adopt(market, escrow)
    await market.settle()

    (debt,) = await receivables(market)
    assert debt.reversed == usd(8_000)
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    await assert_done(market)


async def test_over_two_milestones(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.funded_escrow(6_000, 4_000, payee=await market.new_payee())
    await refund_in_dashboard(market, await charge_of(market, escrow), 8_400)
    await market.settle()

    answer = await adopt(market, escrow)

    refunded = [m.refunded.amount_minor for m in answer.escrow.milestones]
    assert refunded == [6_000, 2_000]
    assert answer.escrow.milestones[0].state == pb.MILESTONE_STATE_REFUNDED
    await assert_done(market)


async def test_what_is_no_refund_is_not_adopted(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.funded_escrow()
    await dispute(market, await charge_of(market, escrow))
    await market.settle()
    async with market.refuses("FREEZE_OF_OTHER"):
        await adopt(market, escrow)


@pytest.mark.parametrize(("amount_minor", "held_minor"), [(1, 299), (597, 1), (599, 1)])
async def test_the_price_does_not_go_before_its_fee(
    market: Marketplace, amount_minor: int, held_minor: int
) -> None:
    """3.00, and a fee of 3.00. A rest of the fee without a price would be nobody's."""
    own = rules(payment_limits=Limits(6_00, 500_00), payer_fee=FeeRule(0, 300))
    await apply_policy(market, Policy({"USD": own}))
    await stocked(market)
    escrow = await market.funded_escrow(300, payee=await market.new_payee())
    await refund_in_dashboard(market, await charge_of(market, escrow), amount_minor)
    await market.settle()

    answer = await adopt(market, escrow)

    assert answer.refund.amount == usd(amount_minor)
    (left,) = answer.escrow.milestones
    assert left.held == usd(held_minor)
    await market.accept(await market.deliver(escrow))
    await market.settle()
    assert await market.balance(f"liab:escrow:{left.id}:fee_held") == 0
    await assert_done(market)
