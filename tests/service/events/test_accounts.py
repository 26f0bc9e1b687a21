"""A payee takes the platform's access to their account away: their money waits for them."""

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.later import Later
from tests.service.operations.marketplace import Marketplace

APIS = [party_pb.ACCOUNT_API_V1, party_pb.ACCOUNT_API_V2]
RELEASES = "SELECT state, stripe_transfer FROM releases"


async def deauthorize(market: Marketplace, payee: party_pb.Payee) -> party_pb.Payee:
    await market.sandbox.control(f"accounts/{payee.stripe_account}/deauthorize")
    await market.settle()
    return await market.find_payee(payee)


@pytest.mark.parametrize("account_api", APIS)
async def test_the_payee_is_known_as_deauthorized_for_good(
    market: Marketplace, account_api: party_pb.AccountApi.ValueType
) -> None:
    payee = await market.new_payee(account_api=account_api)
    before = await market.news()  # about the account as it was

    gone = await deauthorize(market, payee)

    assert gone.state == party_pb.PAYEE_STATE_DEAUTHORIZED
    for event in before:  # told late, they make nobody active again
        await market.tell(event)
    await market.settle()
    assert (await market.find_payee(payee)).state == party_pb.PAYEE_STATE_DEAUTHORIZED


async def test_what_is_released_to_them_waits(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)
    await deauthorize(market, payee)

    await market.accept(escrow)
    later = Later(market)
    for _ in range(3):
        await later.ask_again()

    assert [tuple(row) for row in await market.owner.fetch(RELEASES)] == [("WAITING", None)]
    assert await market.sandbox.objects("/v1/transfers") == []
    assert await market.balance(f"liab:payee:{payee.id}:payable") == 8_000
    state = (await market.read(escrow)).milestones[0].state
    assert state == pb.MILESTONE_STATE_RELEASING


async def test_a_transfer_that_comes_too_late_goes_back_and_waits(market: Marketplace) -> None:
    """It was planned while the account was there, and sent when it no longer was."""
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)
    await market.accept(escrow)

    await deauthorize(market, payee)
    later = Later(market)
    for _ in range(3):
        await later.ask_again()

    assert [tuple(row) for row in await market.owner.fetch(RELEASES)] == [("WAITING", None)]
    assert await market.sandbox.objects("/v1/transfers") == []
    assert await market.balance(f"liab:payee:{payee.id}:payable") == 8_000
