"""BatchIngestStripeEvents: many events at once, each stored once and answered for itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from escrow.v1 import stripe_event_service_pb2 as event_pb
from tests.service.operations.inbox.test_ingest_stripe_event import (
    DUPLICATE,
    NO_EVENTS,
    QUARANTINED,
    STORED,
    STRANGE,
    event,
    row_of,
)
from tests.service.operations.marketplace import Marketplace

PAYLOAD_MOST_BYTES = 512 * 1024
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
INVALID = grpc.StatusCode.INVALID_ARGUMENT.value[0]


def telling(*told: object, traceparent: str = "") -> event_pb.BatchIngestStripeEventsRequest:
    """A request with these events; bytes are told as they are."""
    payloads = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in told]
    return event_pb.BatchIngestStripeEventsRequest(
        requests=[
            event_pb.IngestStripeEventRequest(
                endpoint=event_pb.STRIPE_ENDPOINT_PLATFORM, payload=payload, traceparent=traceparent
            )
            for payload in payloads
        ]
    )


async def results_of(market: Marketplace, *told: object) -> list[int | str]:
    """For each event its outcome, or the name of the status with which it is refused."""
    response = await market.gateway.events.BatchIngestStripeEvents(telling(*told))
    names = {code.value[0]: code.name for code in grpc.StatusCode}
    return [
        names[result.refusal.code] if result.HasField("refusal") else result.outcome
        for result in response.results
    ]


async def test_every_event_is_kept_byte_for_byte(market: Marketplace) -> None:
    told = [event() for _ in range(100)]
    payloads = [b" " + json.dumps(each, indent=3).encode() + b"\n" for each in told]

    assert await results_of(market, *payloads) == [STORED] * 100

    for each, payload in zip(told, payloads, strict=True):
        row = await row_of(market, each)
        assert bytes(row["payload"]) == payload
        assert (row["state"], row["endpoint"]) == ("RECEIVED", "PLATFORM")


async def test_each_is_answered_for_itself_and_in_order(market: Marketplace) -> None:
    old, new, twin, foreign = event(), event(), event(), event(livemode=True)
    await market.tell(old)

    told = (b"{", new, twin, foreign, old, twin, b"[]", twin)
    assert await results_of(market, *told) == [
        "INVALID_ARGUMENT",
        STORED,
        STORED,
        QUARANTINED,
        DUPLICATE,
        DUPLICATE,
        "INVALID_ARGUMENT",
        DUPLICATE,
    ]

    assert (await row_of(market, foreign))["reason"] == "livemode is True, expected False"
    async with market.unchanged():
        assert await results_of(market, new, twin, foreign, old) == [DUPLICATE] * 4


async def test_what_is_no_event_is_refused_as_it_is_alone(shared_market: Marketplace) -> None:
    fitting = [payload for payload in NO_EVENTS.values() if len(payload) <= PAYLOAD_MOST_BYTES]
    async with shared_market.unchanged():
        response = await shared_market.gateway.events.BatchIngestStripeEvents(telling(*fitting))

    for payload, result in zip(fitting, response.results, strict=True):
        async with shared_market.refuses("INVALID_FIELD") as refusal:
            await shared_market.tell(payload)
        assert refusal.status is grpc.StatusCode.INVALID_ARGUMENT
        assert result.refusal.code == INVALID
        assert result.refusal.message == refusal.message


async def test_what_only_its_object_says_is_stored_beside_what_is_no_event(
    market: Marketplace,
) -> None:
    strange = [{**each, "id": f"evt_strange_{n}"} for n, each in enumerate(STRANGE.values())]
    told = [each for pair in zip(strange, NO_EVENTS.values(), strict=False) for each in pair]

    assert await results_of(market, *told) == [STORED, "INVALID_ARGUMENT"] * len(strange)


@asynccontextmanager
async def refusing(market: Marketplace, event_id: str) -> AsyncIterator[None]:
    """The database refuses this one event, whatever statement brings it."""
    await market.owner.execute(
        f"ALTER TABLE stripe_events ADD CONSTRAINT unstorable CHECK (event_id <> '{event_id}')"
    )
    try:
        yield
    finally:
        await market.owner.execute("ALTER TABLE stripe_events DROP CONSTRAINT unstorable")


async def test_what_the_database_refuses_is_refused_alone(market: Marketplace) -> None:
    good, bad, foreign, old = event(), event(), event(livemode=True), event()
    await market.tell(old)

    async with refusing(market, bad["id"]):
        told = (good, bad, b"{", foreign, old, good)
        assert await results_of(market, *told) == [
            STORED,
            "INTERNAL",
            "INVALID_ARGUMENT",
            QUARANTINED,
            DUPLICATE,
            DUPLICATE,
        ]
    assert await results_of(market, bad) == [STORED]


WAITING_FOR_US = """
SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'stripe_events'::regclass"""


async def test_an_outage_fails_the_call_and_what_is_told_again_is_stored_once(
    market: Marketplace,
) -> None:
    told = [event() for _ in range(3)]
    async with market.unchanged(), market.owner.transaction():
        await market.owner.execute("LOCK TABLE stripe_events")
        call = asyncio.create_task(results_of(market, *told))
        async with asyncio.timeout(20):
            while not (pid := await market.owner.fetchval(WAITING_FOR_US)):  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.02)
        await market.owner.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert await results_of(market, *told) == [STORED] * 3


async def test_each_event_keeps_the_trace_of_its_delivery(market: Marketplace) -> None:
    theirs, calls = event(), event()
    request = telling(theirs, traceparent=f"00-{TRACE_ID}-b7ad6b7169203331-01")
    request.requests.extend(telling(calls).requests)

    await market.gateway.events.BatchIngestStripeEvents(request)

    assert (await row_of(market, theirs))["trace_id"] == TRACE_ID
    trace_id = (await row_of(market, calls))["trace_id"]
    assert len(trace_id) == 32
    assert trace_id != TRACE_ID


async def test_one_alone_keeps_its_trace_as_well(market: Marketplace) -> None:
    told = event()
    request = telling(told, traceparent=f"00-{TRACE_ID}-b7ad6b7169203331-01").requests[0]

    await market.gateway.events.IngestStripeEvent(request)

    assert (await row_of(market, told))["trace_id"] == TRACE_ID
