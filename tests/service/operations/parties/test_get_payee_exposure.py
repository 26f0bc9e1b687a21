"""GetPayeeExposure: what of a payee's is held, on its way, owed, and at risk by chargebacks."""

from uuid import UUID

import pytest

from escrow.client import new_request_id
from escrow.v1 import chargeback_service_pb2 as chargeback_pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.operations.parties.get_payee_exposure import at_risk
from service.store.exposure import Threatened
from tests.service.operations.asked import WHY
from tests.service.operations.chargebacks.disputes import chargebacks, disputed
from tests.service.operations.escrows.split import share, split_escrow
from tests.service.operations.marketplace import Marketplace

Amounts = dict[str, dict[str, int]]


async def exposure(market: Marketplace, payee: party_pb.Payee) -> tuple[Amounts, list[str]]:
    """By currency what is not zero, and the chargebacks."""
    request = party_pb.GetPayeeExposureRequest(payee_id=payee.id)
    client = market.client("operator", role="auditor")
    answer = await client.parties.GetPayeeExposure(request)
    assert answer.payee_id == payee.id
    amounts: Amounts = {}
    for each in answer.exposures:
        shown = {field.name: money for field, money in each.ListFields()}
        (currency,) = {money.currency for money in shown.values()}
        amounts[currency] = {n: m.amount_minor for n, m in shown.items() if m.amount_minor}
    assert [*amounts] == sorted(amounts)
    return amounts, list(answer.chargeback_ids)


async def test_each_part_of_a_payees_money_is_in_its_place(market: Marketplace) -> None:
    payee, other = await market.new_payee(), await market.new_payee()
    assert await exposure(market, payee) == ({}, [])
    held = await market.funded_escrow(payee=payee)
    split = await split_escrow(
        market, [share(other, basis=7_000), share(payee)], 10_000, delivered=False
    )
    paid = await market.delivered_escrow(payee=payee)
    await market.accept(paid)
    refunded = await market.delivered_escrow(payee=payee)
    await market.accept(refunded)
    await market.settle()
    assert await exposure(market, payee) == ({"USD": {"held": 13_000}}, [])

    lost = await disputed(market, paid)
    await market.sandbox.control(f"disputes/{lost['id']}/lose")
    part = await disputed(market, held, amount=4_201)  # of the 105.00 that were paid
    inquiry = await disputed(market, split, inquiry=True)
    found = {each.stripe_dispute: each.id for each in await chargebacks(market)}
    risks = [found[each["id"]] for each in (inquiry, part, lost)]
    at_risk_minor = 8_000 + 4_001 + 3_000  # 10,000 * 4,201 / 10,500 are 4,000.95
    assert await exposure(market, payee) == (
        {"USD": {"held": 13_000, "at_risk": at_risk_minor}},
        risks,
    )
    assert await exposure(market, other) == (
        {"USD": {"held": 7_000, "at_risk": 7_000}},
        risks[:1],
    )

    await market.sandbox.control(f"disputes/{part['id']}/win")
    await market.pay_out(payee, 5_000)
    euros = await market.new_escrow(payee=payee, currency="EUR")
    await market.pay(await market.fund(euros))
    await market.settle()
    await market.deliver(euros)
    await market.accept(euros)
    refund = refund_pb.RefundMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=refunded.id,
        milestone_id=refunded.milestones[0].id,
        reason=WHY,
    )
    await market.client("operator", role="operator").refunds.RefundMilestone(refund)

    assert await exposure(market, payee) == (
        {
            "EUR": {"pending": 8_000},
            "USD": {
                "held": 13_000,
                "in_payout": 5_000,
                "receivable": 8_000,
                "at_risk": 11_000,
            },
        },
        [risks[0], risks[2]],
    )

    decided = chargeback_pb.SettleChargebackRequest(
        request_id=new_request_id(), chargeback_id=risks[2], reason=WHY
    )
    await market.client("operator", role="operator").chargebacks.SettleChargeback(decided)

    amounts, left = await exposure(market, payee)
    assert left == risks[:1]
    assert amounts["USD"] == {
        "held": 13_000,
        "in_payout": 5_000,
        "receivable": 16_000,
        "at_risk": 3_000,
    }


@pytest.mark.parametrize(
    ("chargebacks", "expected"),
    [
        ([(5_000, 1)], 4_000),
        ([(12_000, 1)], 8_000),  # more than was paid
        ([(0, 1)], 8_000),  # an inquiry that does not say how much
        ([(1, 1)], 1),
        ([(6_000, 1), (6_000, 1)], 8_000),
        ([(2_500, 1), (2_500, 1), (5_000, 2)], 8_000),
    ],
)
def test_a_payment_is_at_risk_once(chargebacks: list[tuple[int, int]], expected: int) -> None:
    """Each is (what is disputed, of which payment); of 10,000 paid, 8,000 are theirs."""
    listed = [
        Threatened(UUID(int=n), UUID(int=payment), "USD", disputed_minor, 10_000, 8_000)
        for n, (disputed_minor, payment) in enumerate(chargebacks)
    ]

    assert at_risk(listed) == {"USD": expected}
