"""Orders and duplicates again, a handful, by signed requests through the gateway and the worker."""

import asyncio
import json
import time
from collections import Counter

import pytest
from stripe import WebhookSignature

from escrow.v1 import escrow_service_pb2 as pb
from tests.scenarios.books import FUNDED, SETTLED, books
from tests.scenarios.deal import Deal
from tests.scenarios.program import until
from tests.scenarios.sandbox_client import Json
from tests.world import PLATFORM_SECRET, World

APPLIED = """
SELECT state IN ('PROCESSED', 'IGNORED') FROM stripe_events WHERE event_id = $1"""


async def post(world: World, event: Json, status: int = 200) -> str:
    """Sends an event as Stripe does; what the gateway says became of it, with this status."""
    body = json.dumps(event)
    header = WebhookSignature.generate_signature_header(
        body, PLATFORM_SECRET, timestamp=int(time.time())
    )
    async with world.sandbox.http.post(
        f"{world.gateway_url}/stripe/default/platform",
        data=body,
        headers={"Stripe-Signature": header},
    ) as answer:
        assert answer.status == status
        outcome: str = (await answer.json())["outcome"]
        return outcome


async def until_applied(world: World, event: Json) -> None:
    async def applied() -> bool:
        return bool(await world.pool.fetchval(APPLIED, event["id"]))

    await until(applied, f"end of {event['type']}")


async def held_events(deal: Deal) -> list[Json]:
    """The payer pays with 3D Secure while nothing is delivered; what Stripe has to tell of it."""
    sandbox = deal.world.sandbox
    await sandbox.hold()
    await deal.fund()
    await deal.pay("pm_card_authenticationRequired")
    await sandbox.control(
        "POST", f"payment_intents/{deal.payment.stripe_payment_intent}/authenticate", succeeds=True
    )
    await sandbox.advance(2)
    events = [
        event
        for event in reversed(await sandbox.events())
        if event.get("data", {}).get("object", {}).get("metadata", {}).get("payment")
        == deal.payment.id
    ]
    assert [event["type"] for event in events] == [
        "payment_intent.created",
        "payment_intent.requires_action",
        "charge.succeeded",
        "payment_intent.succeeded",
        "charge.updated",
    ]
    return events


@pytest.mark.parametrize(
    "order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [4, 4, 1, 3, 3, 0], [3, 0, 4, 1, 3, 2]], ids=str
)
async def test_one_after_the_other(deal: Deal, order: list[int]) -> None:
    events = await held_events(deal)
    told = set()
    for index in order:
        outcome = await post(deal.world, events[index])
        assert outcome == ("duplicate" if index in told else "stored")
        told.add(index)
        await until_applied(deal.world, events[index])
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert await deal.journals() == books(FUNDED, SETTLED)
    await deal.world.sandbox.release()  # and now all of them again, from the sandbox itself
    assert await deal.journals() == books(FUNDED, SETTLED)


async def test_all_at_once_ten_times_each(deal: Deal) -> None:
    events = await held_events(deal)
    outcomes = await asyncio.gather(*(post(deal.world, event) for event in events * 10))
    assert sorted(outcomes) == ["duplicate"] * 45 + ["stored"] * 5
    for event in events:
        await until_applied(deal.world, event)
    assert await deal.journals() == books(FUNDED, SETTLED)
    await deal.world.sandbox.release()


async def test_bad_neighbours_cost_nobody_anything(deal: Deal) -> None:
    """They share calls and commits with the deal's events; each is answered for itself."""
    events = await held_events(deal)
    timeless = [{"id": f"evt_timeless_{n}", "type": "charge.succeeded"} for n in range(20)]
    mixed = [each for pair in zip(timeless, events * 4, strict=True) for each in pair]

    outcomes = await asyncio.gather(
        *(post(deal.world, event, 400 if event in timeless else 200) for event in mixed)
    )

    assert Counter(outcomes) == {
        "service_invalid_argument": 20,
        "stored": 5,
        "duplicate": 15,
    }
    for event in events:
        await until_applied(deal.world, event)
    assert await deal.journals() == books(FUNDED, SETTLED)
    await deal.world.sandbox.release()
