"""QuoteFees: what CreateEscrow would pin, without creating anything."""

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import Marketplace, usd


async def test_it_says_what_an_escrow_would_cost(shared_market: Marketplace) -> None:
    request = pb.QuoteFeesRequest(currency="USD", amounts_minor=[3_333, 6_668])

    async with shared_market.unchanged():
        quoted = await shared_market.service.escrows.QuoteFees(request)

    escrow = await shared_market.new_escrow(3_333, 6_668)
    assert quoted.total == escrow.quote
    assert quoted.total.payer_total == usd(10_001 + 500)
    assert quoted.total.payee_total == usd(10_001 - 2_001)
    told = [(quote.payer_fee, quote.payee_fee) for quote in quoted.milestones]
    assert told == [(m.payer_fee, m.payee_fee) for m in escrow.milestones]


@pytest.mark.parametrize("amounts", [[100], [5_000, 100], [10**11]])
async def test_what_an_escrow_could_not_be_is_not_quoted(
    shared_market: Marketplace, amounts: list[int]
) -> None:
    async with shared_market.refuses("AMOUNT_BEYOND_LIMITS"):
        await shared_market.service.escrows.QuoteFees(
            pb.QuoteFeesRequest(currency="USD", amounts_minor=amounts)
        )
