"""ListPayments: a payment whose id was lost is found again."""

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import AN_ID, Marketplace


async def listed(market: Marketplace, filter_: str) -> list[pb.Payment]:
    answer = await market.service.escrows.ListPayments(pb.ListPaymentsRequest(filter=filter_))
    assert answer.next_page_token == ""
    return list(answer.payments)


async def test_the_payments_of_an_escrow_in_full(market: Marketplace) -> None:
    escrow = await market.new_escrow(6_000, 4_000)
    second = await market.fund(escrow, escrow.milestones[1])
    both = await market.fund(await market.new_escrow(1_000, 2_000))
    await market.pay(both)
    await market.settle()

    (found,) = await listed(market, f"escrow_id = {escrow.id}")

    assert found.client_secret == ""  # only Stripe has it, and GetPayment asks there
    found.client_secret = second.client_secret
    assert found == second
    assert found.milestone_ids == [escrow.milestones[1].id]
    whole = await market.read_payment(both)
    assert await listed(market, "state = SUCCEEDED") == [whole]
    assert await listed(market, f'escrow_id = "{whole.escrow_id}" AND currency = USD') == [whole]
    assert len(whole.milestone_ids) == 2


async def test_payments_by_state_method_and_time(market: Marketplace) -> None:
    first = await market.fund(await market.new_escrow())
    page = await market.fund(await market.new_escrow(), method=pb.PAYMENT_METHOD_CHECKOUT)

    async def ids_of(filter_: str) -> list[str]:
        return [payment.id for payment in await listed(market, filter_)]

    assert await ids_of("") == [page.id, first.id]
    assert await ids_of("method = CHECKOUT") == [page.id]
    assert await ids_of("method = PAYMENT_METHOD_PAYMENT_INTENT") == [first.id]
    state = "PAYMENT_STATE_REQUIRES_PAYMENT_METHOD"
    assert first.id in await ids_of(f"state = {state}")
    assert await ids_of(f"create_time < {page.create_time.ToJsonString()}") == [first.id]
    assert await ids_of(f"create_time > {page.create_time.ToJsonString()}") == []
    assert await ids_of(f"escrow_id = esc_{AN_ID}") == []


@pytest.mark.parametrize(
    "filter_",
    ["payer_id = 1", "state = PAID", "method = CARD", f"escrow_id = pay_{AN_ID}", "state > PAID"],
)
async def test_what_is_no_filter_of_payments(shared_market: Marketplace, filter_: str) -> None:
    async with shared_market.refuses("INVALID_FIELD") as refusal:
        await listed(shared_market, filter_)
    assert set(refusal.fields) == {"filter"}


async def test_pages_of_payments(market: Marketplace) -> None:
    made = [(await market.fund(await market.new_escrow())).id for _ in range(3)]
    request = pb.ListPaymentsRequest(page_size=2)
    first = await market.service.escrows.ListPayments(request)
    request.page_token = first.next_page_token
    second = await market.service.escrows.ListPayments(request)

    assert [payment.id for payment in (*first.payments, *second.payments)] == made[::-1]
    assert second.next_page_token == ""
