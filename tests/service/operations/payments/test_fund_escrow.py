"""FundEscrow: a payment is started at Stripe; the money is held when Stripe says that it came."""

import asyncio

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import (
    AN_ID,
    RETURN_URL,
    Marketplace,
    transitions,
    usd,
)


def funding(escrow: pb.Escrow, *milestone_ids: str) -> pb.FundEscrowRequest:
    return pb.FundEscrowRequest(
        request_id=new_request_id(), escrow_id=escrow.id, milestone_ids=milestone_ids
    )


async def test_a_card_pays_for_all_of_it(market: Marketplace) -> None:
    escrow = await market.new_escrow(6_000, 4_000)

    payment = await market.fund(escrow)

    assert payment.state == pb.PAYMENT_STATE_REQUIRES_PAYMENT_METHOD
    assert payment.amount == usd(10_500)
    assert payment.client_secret.startswith(payment.stripe_payment_intent)
    assert list(payment.milestone_ids) == [m.id for m in escrow.milestones]
    (intent,) = await market.sandbox.objects("/v1/payment_intents")
    assert intent["amount"] == 10_500
    assert intent["transfer_group"] == escrow.id
    assert intent["metadata"]["payment"] == payment.id
    assert await market.books() == []

    await market.pay(payment)
    await market.settle()

    funded = await market.read(escrow)
    assert funded.state == pb.ESCROW_STATE_ACTIVE
    for milestone in funded.milestones:
        assert milestone.state == pb.MILESTONE_STATE_FUNDED
        assert milestone.held == milestone.funded == milestone.amount
        assert milestone.payment_id == payment.id
    fee = 335  # 2.9 % + 0.30
    assert await market.books(escrow) == [
        (
            "payment_succeeded",
            {
                "asset:stripe_unsettled": 10_500,
                "liab:escrow:m1:held": -6_000,
                "liab:escrow:m1:fee_held": -300,
                "liab:escrow:m2:held": -4_000,
                "liab:escrow:m2:fee_held": -200,
            },
        ),
        (
            "charge_settled",
            {
                "asset:stripe": 10_500 - fee,
                "exp:processing": fee,
                "asset:stripe_unsettled": -10_500,
            },
        ),
    ]
    _, started, answered, *told = await market.timeline(escrow)
    assert (started.operation, started.actor) == ("fund_escrow", "payer")
    assert transitions(started) == [("pay", "", "CREATING")]
    assert (answered.operation, answered.actor) == ("settle_effect", "stripe")
    moved = [move for entry in told for move in transitions(entry)]
    assert moved.count(("mst", "AWAITING_FUNDS", "FUNDED")) == 2
    assert ("esc", "AWAITING_FUNDS", "ACTIVE") in moved
    assert {entry.operation for entry in told} == {"apply_stripe_event"}
    assert all(entry.cause.startswith("evt_") for entry in told)


async def test_chosen_milestones_are_paid_for_one_by_one(market: Marketplace) -> None:
    escrow = await market.new_escrow(6_000, 4_000)

    first = await market.fund(escrow, escrow.milestones[1])
    assert first.amount == usd(4_200)
    await market.pay(first)
    await market.settle()
    second = await market.fund(escrow)  # what still waits

    assert second.amount == usd(6_300)
    assert list(second.milestone_ids) == [escrow.milestones[0].id]


async def test_on_stripes_own_page(market: Marketplace) -> None:
    escrow = await market.new_escrow(6_000, 4_000)

    payment = await market.fund(escrow, method=pb.PAYMENT_METHOD_CHECKOUT)

    assert payment.method == pb.PAYMENT_METHOD_CHECKOUT
    assert payment.checkout_url.startswith("http")
    assert not payment.client_secret
    (session,) = await market.sandbox.objects("/v1/checkout/sessions")
    assert session["amount_total"] == 10_500
    await market.sandbox.control(
        f"checkout/sessions/{session['id']}/pay", payment_method="pm_card_visa"
    )
    await market.settle()
    paid = await market.read_payment(payment)
    assert paid.state == pb.PAYMENT_STATE_SUCCEEDED
    assert not paid.checkout_url
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_ACTIVE


@pytest.mark.parametrize("cancel_url", ["https://shop.example/cart", ""])
async def test_who_goes_back_without_paying_comes_to_the_cancel_url(
    market: Marketplace, cancel_url: str
) -> None:
    request = funding(await market.new_escrow())
    request.method, request.return_url = pb.PAYMENT_METHOD_CHECKOUT, RETURN_URL
    request.cancel_url = cancel_url

    payment = (await market.payer.escrows.FundEscrow(request)).payment

    (session,) = await market.sandbox.objects("/v1/checkout/sessions")
    assert session["success_url"] == RETURN_URL
    assert session["cancel_url"] == (cancel_url or RETURN_URL)
    async with market.sandbox.http.get(payment.checkout_url) as page:
        assert f'href="{cancel_url or RETURN_URL}"' in await page.text()


async def test_a_second_payment_waits_for_the_end_of_the_first(market: Marketplace) -> None:
    escrow = await market.new_escrow(6_000, 4_000)
    payment = await market.fund(escrow, escrow.milestones[0])

    for request in (funding(escrow), funding(escrow, escrow.milestones[0].id)):
        async with market.refuses("PAYMENT_OPEN") as refusal:
            await market.payer.escrows.FundEscrow(request)
        assert refusal.metadata == {"payment_id": payment.id}


async def test_twenty_clicks_start_one_payment(market: Marketplace) -> None:
    escrow = await market.new_escrow()

    answers = await asyncio.gather(
        *(market.payer.escrows.FundEscrow(funding(escrow)) for _ in range(20)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, pb.FundEscrowResponse) for answer in answers) == 1
    assert len(await market.sandbox.objects("/v1/payment_intents")) == 1


async def test_nothing_waits_for_money(market: Marketplace) -> None:
    escrow = await market.funded_escrow()

    async with market.refuses("NOTHING_TO_FUND") as refusal:
        await market.payer.escrows.FundEscrow(funding(escrow))
    assert refusal.metadata == {"state": "ACTIVE"}
    async with market.refuses("WRONG_STATE"):
        await market.payer.escrows.FundEscrow(funding(escrow, escrow.milestones[0].id))


async def test_the_payee_does_not_pay(market: Marketplace) -> None:
    escrow = await market.new_escrow()

    async with market.refuses("PARTY_NOT_ALLOWED"):
        await market.payee.escrows.FundEscrow(funding(escrow))


async def test_what_names_nothing_is_not_paid_for(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    other = await market.new_escrow()

    for milestone_id in (f"mst_{AN_ID}", other.milestones[0].id):
        async with market.refuses("MILESTONE_MISSING"):
            await market.payer.escrows.FundEscrow(funding(escrow, milestone_id))
    request = funding(escrow)
    request.escrow_id = f"esc_{AN_ID}"
    async with market.refuses("ESCROW_MISSING"):
        await market.payer.escrows.FundEscrow(request)
    request = funding(escrow)
    request.etag = "0"
    async with market.refuses("STALE_ETAG") as refusal:
        await market.payer.escrows.FundEscrow(request)
    assert refusal.metadata == {"etag": escrow.etag}


async def test_a_request_that_contradicts_itself(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    twice = funding(escrow, escrow.milestones[0].id, escrow.milestones[0].id)
    nowhere = funding(escrow)
    nowhere.method = pb.PAYMENT_METHOD_CHECKOUT

    for request, field in ((twice, "milestone_ids"), (nowhere, "return_url")):
        async with market.refuses("INVALID_FIELD") as refusal:
            await market.payer.escrows.FundEscrow(request)
        assert set(refusal.fields) == {field}


async def test_one_payment_has_a_limit_of_its_own(market: Marketplace) -> None:
    escrow = await market.new_escrow(600_000, 600_000)

    async with market.refuses("AMOUNT_BEYOND_LIMITS"):
        await market.payer.escrows.FundEscrow(funding(escrow))
    assert (await market.fund(escrow, escrow.milestones[0])).amount == usd(630_000)


async def test_a_payer_without_a_customer_cannot_pay_yet(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    await market.owner.execute("UPDATE payers SET stripe_customer = NULL")

    async with market.refuses("PAYER_NOT_READY"):
        await market.payer.escrows.FundEscrow(funding(escrow))


@pytest.mark.parametrize("method", [pb.PAYMENT_METHOD_PAYMENT_INTENT, pb.PAYMENT_METHOD_CHECKOUT])
@pytest.mark.parametrize(
    ("kind", "times"),
    [("cut_before_effect", 3), ("cut_after_effect", 3), ("status", 1)],  # a cut is retried at once
)
async def test_an_answer_that_is_lost_is_looked_up(
    market: Marketplace, kind: str, times: int, method: pb.PaymentMethod.ValueType
) -> None:
    """Whatever becomes of the answer, the same request_id gets the one payment there is."""
    escrow = await market.new_escrow()
    request = funding(escrow)
    request.method, request.return_url = method, RETURN_URL
    path = "/v1/payment_intents"
    if method == pb.PAYMENT_METHOD_CHECKOUT:
        path = "/v1/checkout/sessions"
    await market.sandbox.fail_next(path, kind, times=times)

    async with market.refuses("STRIPE_UNAVAILABLE", writes=True) as refusal:
        await market.payer.escrows.FundEscrow(request)
    assert refusal.retry_delay_s == 1.0
    await market.patience()
    answer = await market.payer.escrows.FundEscrow(request)

    assert answer.payment.state == pb.PAYMENT_STATE_REQUIRES_PAYMENT_METHOD
    assert answer.payment.client_secret or answer.payment.checkout_url
    assert len(await market.sandbox.objects(path)) == 1


async def test_a_payment_that_stripe_refused_makes_room_for_another(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    request = funding(escrow)
    await market.sandbox.fail_next("/v1/payment_intents", "stored_error", effect=False)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.payer.escrows.FundEscrow(request)
    await market.patience()

    for writes in (True, False):  # told once, and told the same again
        async with market.refuses("PAYMENT_REJECTED", writes=writes) as refusal:
            await market.payer.escrows.FundEscrow(request)
        assert refusal.metadata["code"] == "stored_failure"
    assert (await market.fund(escrow)).state == pb.PAYMENT_STATE_REQUIRES_PAYMENT_METHOD
    states = await market.owner.fetch("SELECT state FROM payments ORDER BY created_at")
    assert [row["state"] for row in states] == ["REJECTED", "REQUIRES_PAYMENT_METHOD"]


async def test_a_customer_that_is_gone_at_stripe(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    await market.owner.execute("UPDATE payers SET stripe_customer = 'cus_gone'")

    async with market.refuses("PAYMENT_REJECTED", writes=True) as refusal:
        await market.payer.escrows.FundEscrow(funding(escrow))
    assert refusal.metadata["code"] == "resource_missing"
    assert "cus_gone" in refusal.message
