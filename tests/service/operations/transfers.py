"""A transfer on its way, and what happens to it at Stripe without us."""

from typing import Any

import aiohttp

from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import API_KEY, Event, Marketplace

TRANSFERS = "/v1/transfers"
TRIES = 3  # of the SDK itself


async def accepted(market: Marketplace) -> party_pb.Payee:
    """The payee's 80.00 are on their way: planned, and not sent."""
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)
    await market.accept(escrow)
    return payee


async def lose_answer(market: Marketplace) -> None:
    """The next transfer is made, and nobody hears of it."""
    await market.sandbox.fail_next(TRANSFERS, "cut_after_effect", times=TRIES)


async def annotate(market: Marketplace, transfer: dict[str, Any], **metadata: str) -> None:
    """An accounting program, or a person in the dashboard, changes what we wrote."""
    url = f"{market.sandbox.url}{TRANSFERS}/{transfer['id']}"
    headers = {"Authorization": f"Bearer {API_KEY}"}
    form = aiohttp.FormData({f"metadata[{name}]": text for name, text in metadata.items()})
    async with market.sandbox.http.post(url, data=form, headers=headers) as answer:
        assert answer.status == 200, await answer.text()


async def created(market: Marketplace) -> Event:
    """The event of the one transfer that there is; it has not been told."""
    (told,) = [event for event in await market.news() if event["type"] == "transfer.created"]
    return told
