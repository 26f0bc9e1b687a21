"""ListPayouts: a payee's payouts, newest first."""

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import AN_ID, Marketplace, usd


async def ask(market: Marketplace, payee: party_pb.Payee) -> str:
    request = party_pb.RequestPayoutRequest(
        request_id=new_request_id(), payee_id=payee.id, amount=usd(1_000)
    )
    return (await market.payee.parties.RequestPayout(request)).payout.id


async def test_pages_without_gaps_or_repeats_while_new_ones_come(market: Marketplace) -> None:
    payee = await market.paid_payee()
    made = [await ask(market, payee) for _ in range(5)]
    request = party_pb.ListPayoutsRequest(payee_id=payee.id, page_size=2)
    seen: list[str] = []

    for _ in range(3):
        page = await market.service.parties.ListPayouts(request)
        seen += [payout.id for payout in page.payouts]
        request.page_token = page.next_page_token
        await ask(market, payee)

    assert seen == made[::-1]
    assert request.page_token == ""


async def test_a_token_belongs_to_its_payee(market: Marketplace) -> None:
    payee = await market.paid_payee()
    for _ in range(2):
        await ask(market, payee)
    request = party_pb.ListPayoutsRequest(payee_id=payee.id, page_size=1)
    request.page_token = (await market.service.parties.ListPayouts(request)).next_page_token
    request.payee_id = (await market.new_payee(active=False)).id

    async with market.refuses("INVALID_FIELD") as refusal:
        await market.service.parties.ListPayouts(request)
    assert set(refusal.fields) == {"page_token"}


async def test_a_payee_that_is_not_there_has_none(market: Marketplace) -> None:
    request = party_pb.ListPayoutsRequest(payee_id=f"pye_{AN_ID}")
    assert not (await market.service.parties.ListPayouts(request)).payouts
