"""CreateEscrow: an agreement with its fees quoted and its policy pinned, and no money moved."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from service.domain.money import charge_step_minor
from service.domain.policy_default import DEFAULT_POLICY
from tests.service.operations.marketplace import (
    AN_ID,
    Marketplace,
    escrow_request,
    transitions,
    usd,
)


async def test_it_is_what_was_asked_for(market: Marketplace) -> None:
    payer, payee = await market.new_payer(), await market.new_payee(active=False)
    request = escrow_request(6_000, 4_000, payer=payer, payee=payee)
    request.metadata["order"] = "A-17"
    request.milestones[0].line_items.add(
        name="Poster", quantity=2, unit_amount_minor=2_500, sku="P-1"
    )
    request.milestones[0].line_items.add(name="Frame", quantity=1, unit_amount_minor=1_000)
    due = datetime.now(UTC) + timedelta(days=30)
    request.milestones[1].due_time.FromDatetime(due)

    escrow = (await market.service.escrows.CreateEscrow(request)).escrow

    assert escrow.id.startswith("esc_")
    assert escrow.state == pb.ESCROW_STATE_AWAITING_FUNDS
    assert (escrow.reference, escrow.payer_id, escrow.payee_id) == (
        request.reference,
        payer.id,
        payee.id,
    )
    assert escrow.metadata == {"order": "A-17"}
    assert (escrow.policy_version, escrow.quote.policy_version) == (1, 1)
    assert escrow.quote.payer_total == usd(10_500)
    assert escrow.quote.payee_total == usd(8_000)
    first, second = escrow.milestones
    assert first.line_items == request.milestones[0].line_items
    assert second.due_time == request.milestones[1].due_time
    for milestone, amount in ((first, 6_000), (second, 4_000)):
        assert milestone.state == pb.MILESTONE_STATE_AWAITING_FUNDS
        assert milestone.amount == usd(amount)
        assert milestone.payer_fee == usd(amount * 5 // 100)
        assert milestone.payee_fee == usd(amount * 20 // 100)
        assert milestone.funded == milestone.held == milestone.released == usd(0)
        assert milestone.waiting_for == "the payer to pay"
    assert await market.read(escrow) == escrow
    assert await market.books() == []
    assert await market.sandbox.objects("/v1/payment_intents") == []
    (created,) = await market.timeline(escrow)
    assert (created.version, created.operation, created.actor) == (1, "create_escrow", "service")
    assert created.cause == request.request_id
    assert transitions(created) == [
        ("esc", "", "AWAITING_FUNDS"),
        ("mst", "", "AWAITING_FUNDS"),
        ("mst", "", "AWAITING_FUNDS"),
    ]


async def test_each_milestone_has_the_fee_of_its_own_amount(market: Marketplace) -> None:
    escrow = await market.new_escrow(3_333, 3_333, 3_335)

    assert [milestone.payer_fee for milestone in escrow.milestones] == [usd(167)] * 3
    assert [milestone.payee_fee for milestone in escrow.milestones] == [usd(667)] * 3
    assert (escrow.quote.payer_fee, escrow.quote.payee_fee) == (usd(501), usd(2_001))
    assert (await market.fund(escrow)).amount == escrow.quote.payer_total == usd(10_502)


async def test_the_parties_must_exist(market: Marketplace) -> None:
    payer, payee = await market.new_payer(), await market.new_payee(active=False)
    request = escrow_request(payer=payer, payee=payee)

    request.payer_id = f"pyr_{AN_ID}"
    async with market.refuses("PAYER_MISSING"):
        await market.service.escrows.CreateEscrow(request)
    request.payer_id, request.payee_id = payer.id, f"pye_{AN_ID}"
    async with market.refuses("PAYEE_MISSING"):
        await market.service.escrows.CreateEscrow(request)


@pytest.mark.parametrize(
    ("amounts", "currency", "limits"),
    [
        ((952,), "USD", (1_000, 1_000_000)),  # 9.52 and its fee are 10.00: the payment counts
        ((5_000, 951), "USD", (1_000, 1_000_000)),
        ((952_381 + 1,), "USD", (1_000, 1_000_000)),
        ((99_999_999_999,), "USD", (1_000, 1_000_000)),
        ((10,), "JPY", (1_000, 1_000_000)),
        ((100,), "KWD", (10_000, 10_000_000)),
        # Stripe would charge none of these.
        ((9_53,), "CZK", (100_00, 100_000_00)),
        ((10,), "XOF", (1_000, 1_000_000)),
        ((50_00,), "HUF", (1_000_00, 1_000_000_00)),
        ((10_00,), "INR", (100_00, 100_000_00)),
        ((10_00,), "NGN", (10_000_00, 999_999_99)),
        ((10_00,), "ARS", (10_000_00, 999_999_99)),
        ((1_000_000_00,), "UGX", (10_000_00, 999_999_00)),
    ],
)
async def test_the_policy_has_limits(
    shared_market: Marketplace, amounts: tuple[int, ...], currency: str, limits: tuple[int, int]
) -> None:
    payer, payee = await shared_market.new_payer(), await shared_market.new_payee(active=False)
    request = escrow_request(*amounts, payer=payer, payee=payee, currency=currency)
    if amounts == (952,):
        accepted = await shared_market.service.escrows.CreateEscrow(request)
        assert accepted.escrow.quote.payer_total == usd(1_000)
        return

    async with shared_market.refuses("AMOUNT_BEYOND_LIMITS") as refusal:
        await shared_market.service.escrows.CreateEscrow(request)

    told = (int(refusal.metadata["least_minor"]), int(refusal.metadata["most_minor"]))
    assert told == limits
    assert refusal.metadata["currency"] == currency


async def test_all_that_does_not_add_up_is_named_at_once(shared_market: Marketplace) -> None:
    payer, payee = await shared_market.new_payer(), await shared_market.new_payee(active=False)
    request = escrow_request(5_000, 5_000, 5_000, payer=payer, payee=payee)
    request.milestones[0].due_time.FromDatetime(datetime.now(UTC) - timedelta(seconds=1))
    request.milestones[1].line_items.add(name="Poster", quantity=2, unit_amount_minor=2_499)
    request.milestones[2].line_items.add(
        name="Gold", quantity=1_000_000, unit_amount_minor=100_000_000_000
    )

    async with shared_market.refuses("INVALID_FIELD") as refusal:
        await shared_market.service.escrows.CreateEscrow(request)

    assert refusal.fields == {
        "milestones[0].due_time": "must be in the future",
        "milestones[1].line_items": "sum to 49.98 USD, not to amount_minor, 50.00 USD",
        "milestones[2].line_items": "sum to 1,000,000,000,000,000.00 USD, not to amount_minor,"
        " 50.00 USD",
    }


async def test_who_asks_again_after_a_due_date_is_answered(shared_market: Marketplace) -> None:
    payer, payee = await shared_market.new_payer(), await shared_market.new_payee(active=False)
    request = escrow_request(5_000, payer=payer, payee=payee)
    due = datetime.now(UTC) + timedelta(seconds=1)
    request.milestones[0].due_time.FromDatetime(due)
    first = await shared_market.service.escrows.CreateEscrow(request)

    await asyncio.sleep((due - datetime.now(UTC)).total_seconds() + 0.01)

    assert await shared_market.service.escrows.CreateEscrow(request) == first


@pytest.mark.parametrize(("currency", "step"), [("KWD", "0.010"), ("ISK", "1.00"), ("UGX", "1.00")])
async def test_a_price_is_of_the_currencys_steps(
    shared_market: Marketplace, currency: str, step: str
) -> None:
    payer, payee = await shared_market.new_payer(), await shared_market.new_payee(active=False)
    request = escrow_request(123_450, 123_455, payer=payer, payee=payee, currency=currency)
    request.milestones[0].amount_minor = 1_000_000

    async with shared_market.refuses("AMOUNT_NOT_MULTIPLE") as refusal:
        await shared_market.service.escrows.CreateEscrow(request)
    assert set(refusal.fields) == {"milestones[1].amount_minor"}
    assert refusal.metadata["currency"] == currency
    assert f"{step} {currency}" in refusal.message

    quote = pb.QuoteFeesRequest(currency=currency, amounts_minor=[1_000_000, 123_455])
    async with shared_market.refuses("AMOUNT_NOT_MULTIPLE") as refusal:
        await shared_market.service.escrows.QuoteFees(quote)
    assert set(refusal.fields) == {"amounts_minor[1]"}


@pytest.mark.parametrize("which", ["least", "most"])
async def test_what_is_within_the_limits_can_be_paid(market: Marketplace, which: str) -> None:
    """What Stripe does not charge is refused when the escrow is created, in every currency."""
    payer, payee = await market.new_payer(), await market.new_payee()
    for currency, rules in DEFAULT_POLICY.currencies.items():
        limit = getattr(rules.payment_limits, f"{which}_minor")
        step = charge_step_minor(currency)
        price = limit * 100 // 105 // step * step + (step if which == "least" else 0)

        escrow = await market.new_escrow(price, currency=currency, payer=payer, payee=payee)
        payment = await market.fund(escrow)

        assert abs(payment.amount.amount_minor - limit) <= 2 * step
        assert payment.state == pb.PAYMENT_STATE_REQUIRES_PAYMENT_METHOD


@pytest.mark.parametrize("currency", ["JPY", "KWD", "ISK", "UGX", "HUF"])
async def test_what_is_quoted_can_be_paid_in_its_currency(
    shared_market: Marketplace, currency: str
) -> None:
    """Stripe charges some currencies in steps; an escrow that can never be paid is no use."""
    amount = {"JPY": 12_345, "KWD": 123_450, "ISK": 1_234_500, "UGX": 12_345_600, "HUF": 1_234_567}
    payer, payee = await shared_market.new_payer(), await shared_market.new_payee(active=False)

    escrow = await shared_market.new_escrow(
        amount[currency], currency=currency, payer=payer, payee=payee
    )
    payment = await shared_market.fund(escrow)

    step = {"JPY": 1, "KWD": 10, "ISK": 100, "UGX": 100, "HUF": 1}[currency]
    assert payment.amount.amount_minor % step == 0
    assert payment.state == pb.PAYMENT_STATE_REQUIRES_PAYMENT_METHOD
