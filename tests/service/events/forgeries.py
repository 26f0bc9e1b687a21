"""Events that are rightly signed and wrong, and what becomes of them."""

import copy
from typing import Any

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import Event, Marketplace


def forged(event: Event, **changes: Any) -> Event:  # noqa: ANN401  any JSON
    """The same event under another id, its object changed, with a right signature."""
    other = copy.deepcopy(event)
    other["id"] = f"evt_{new_request_id()}"
    other["data"]["object"] |= changes
    return other


async def verdict(
    market: Marketplace, event: Event, endpoint: int | None = None
) -> tuple[str, str]:
    """What becomes of an event at its first attempt."""
    await market.tell(event, endpoint)
    await market.inbox.run_once()
    query = "SELECT state, reason, attempts FROM stripe_events WHERE event_id = $1"
    row = await market.owner.fetchrow(query, event["id"])
    assert row is not None
    assert row["attempts"] <= 1
    return row["state"], row["reason"]


async def paid_at_stripe(market: Marketplace) -> tuple[pb.Escrow, Event]:
    escrow = await market.new_escrow()
    await market.pay(await market.fund(escrow))
    return escrow, (await of_type(market, "payment_intent.succeeded"))[-1]


async def of_type(market: Marketplace, type_: str) -> list[Event]:
    return [event for event in await market.news() if event["type"] == type_]


async def held(market: Marketplace, escrow: pb.Escrow) -> int:
    return (await market.read(escrow)).milestones[0].held.amount_minor
