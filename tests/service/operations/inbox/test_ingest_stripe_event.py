"""IngestStripeEvent: stored once, whatever it says; what is no event is refused."""

import asyncio
import json
from typing import Any

import pytest

from escrow.client import new_request_id
from escrow.v1 import stripe_event_service_pb2 as event_pb
from tests.service.operations.marketplace import Event, Marketplace

STORED = event_pb.INGEST_OUTCOME_STORED
DUPLICATE = event_pb.INGEST_OUTCOME_DUPLICATE
QUARANTINED = event_pb.INGEST_OUTCOME_QUARANTINED


def event(**changes: Any) -> Event:  # noqa: ANN401  any JSON
    """An event of a type that nobody acts on; None leaves a name out."""
    body = {
        "id": f"evt_{new_request_id()}",
        "object": "event",
        "type": "charge.succeeded",
        "api_version": "2026-10-28.endive",
        "created": 1_790_000_000,
        "livemode": False,
        "data": {"object": {"id": "ch_1", "object": "charge"}},
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


async def row_of(market: Marketplace, told: Event) -> dict[str, Any]:
    query = "SELECT * FROM stripe_events WHERE event_id = $1"
    row = await market.owner.fetchrow(query, told["id"])
    assert row is not None
    return dict(row)


async def test_it_is_kept_byte_for_byte(market: Marketplace) -> None:
    told = event()
    payload = b" " + json.dumps(told, indent=3).encode() + b"\n"

    assert await market.tell(payload) == STORED

    row = await row_of(market, told)
    assert bytes(row["payload"]) == payload
    assert (row["state"], row["type"], row["endpoint"]) == (
        "RECEIVED",
        "charge.succeeded",
        "PLATFORM",
    )
    assert row["occurred_at"].timestamp() == 1_790_000_000


async def test_it_is_stored_once(market: Marketplace) -> None:
    told = event()
    assert await market.tell(told) == STORED

    async with market.unchanged():
        assert await market.tell(told) == DUPLICATE


async def test_twenty_twins_at_once_are_one(market: Marketplace) -> None:
    told = event()

    outcomes = await asyncio.gather(*(market.tell(told) for _ in range(20)))

    assert sorted(outcomes) == [STORED, *[DUPLICATE] * 19]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"livemode": True}, "livemode is True, expected False"),
        ({"api_version": "2024-04-10"}, "api_version is 2024-04-10"),
    ],
)
async def test_what_may_not_be_acted_on_is_set_aside(
    market: Marketplace, changes: dict[str, Any], reason: str
) -> None:
    told = event(**changes)

    assert await market.tell(told) == QUARANTINED
    await market.work()

    row = await row_of(market, told)
    assert row["state"] == "QUARANTINED"
    assert row["reason"].startswith(reason)
    assert await market.tell(told) == DUPLICATE


async def test_a_type_that_nobody_knows_is_stored_and_ignored(market: Marketplace) -> None:
    told = event(type="moon.landed", data={"object": {"object": "moon"}})

    assert await market.tell(told) == STORED
    await market.work()

    row = await row_of(market, told)
    assert (row["state"], row["reason"]) == ("IGNORED", "not a type that is acted on")
    assert row["processed_at"] is not None


async def test_a_thin_event_has_no_version_and_its_own_way_to_tell_the_time(
    market: Marketplace,
) -> None:
    told = event(
        type="v2.core.something.new",
        created="2026-10-28T12:00:00.123Z",
        api_version=None,
        data=None,
        related_object={"id": "acct_1", "type": "v2.core.account"},
    )

    assert await market.tell(told) == STORED
    assert (await row_of(market, told))["occurred_at"].isoformat().startswith("2026-10-28T12:00:00")


NO_EVENTS = {
    "nothing": b" ",
    "no JSON": b"{",
    "text": b'"evt_1"',
    "a list": b"[]",
    "null": b"null",
    "a number": b"17",
    "NaN": b"NaN",
    "not UTF-8": b'{"id": "\xff\xfe"}',
    "UTF-16": json.dumps({"id": "evt_1"}).encode("utf-16-le"),
    "a zip": b"\x1f\x8b\x08\x00\x00",
    "no id": json.dumps(event(id=None)).encode(),
    "an id that is a number": json.dumps(event(id=17)).encode(),
    "an id that is empty": json.dumps(event(id="")).encode(),
    "an id that is a list": json.dumps(event(id=["evt_1"])).encode(),
    "an id with a NUL": json.dumps(event(id="evt_\x00")).encode(),
    "an id with half a character": json.dumps(event(id="evt_\ud800")).encode(),
    "an id of 300 characters": json.dumps(event(id="e" * 300)).encode(),
    "a type with a NUL": json.dumps(event(type="charge\x00")).encode(),
    "a type that is an object": json.dumps(event(type={})).encode(),
    "an account with a NUL": json.dumps(event(account="acct_\x00")).encode(),
    "an account that is true": json.dumps(event(account=True)).encode(),
    "a version that is a number": json.dumps(event(api_version=20261028)).encode(),
    "no time": json.dumps(event(created=None)).encode(),
    "a time that is true": json.dumps(event(created=True)).encode(),
    "a time that is a fraction": json.dumps(event(created=1.5)).encode(),
    "a time that is huge": json.dumps(event(created=10**30)).encode(),
    "a time before all time": json.dumps(event(created=-(10**15))).encode(),
    "a time beyond all time": json.dumps(event(created="9999-12-31T23:59:59-23:59")).encode(),
    "a time of nowhere": json.dumps(event(created="yesterday")).encode(),
    "a time with half a character": json.dumps(event(created="\ud800")).encode(),
    "an integer of 5,000 digits": b'{"id": "evt_1", "created": ' + b"9" * 5_000 + b"}",
    "100,000 lists in each other": b"[" * 100_000 + b"]" * 100_000,
    "100,000 objects in each other": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


@pytest.mark.parametrize("name", NO_EVENTS)
async def test_what_is_no_event_is_refused(shared_market: Marketplace, name: str) -> None:
    async with shared_market.refuses("INVALID_FIELD") as refusal:
        await shared_market.tell(NO_EVENTS[name])
    assert set(refusal.fields) == {"payload"}


STRANGE = {
    "a NUL": event(data={"object": {"id": "ch_\x00", "note": "\x00"}}),
    "half a character": event(data={"object": {"id": "ch_\ud800"}}),
    "a huge integer": event(data={"object": {"amount": 10**400}}),
    "infinity": event(data={"object": {"amount": float("inf")}}),
    "no data": event(data=None),
    "data that is a list": event(data=[]),
    "an object that is text": event(data={"object": "ch_1"}),
    "livemode that is text": event(livemode="false"),
}


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("type_", ["charge.succeeded", "payment_intent.succeeded"])
async def test_what_only_its_object_says_is_stored_all_the_same(
    market: Marketplace, name: str, type_: str
) -> None:
    """And what is to be acted on and makes no sense is shown to a person, with the reason."""
    told = {**STRANGE[name], "id": f"evt_{new_request_id()}", "type": type_}

    assert await market.tell(told) == STORED
    await market.work()

    row = await row_of(market, told)
    expected = {"IGNORED"} if type_ == "charge.succeeded" else {"SUSPENSE", "PARKED"}
    assert row["state"] in expected
    assert row["reason"]


async def test_an_endpoint_that_is_none_is_refused(shared_market: Marketplace) -> None:
    for endpoint in (99, -1):
        async with shared_market.refuses("INVALID_FIELD") as refusal:
            await shared_market.tell(json.dumps(event()).encode(), endpoint)
        assert set(refusal.fields) == {"endpoint"}


async def test_a_gateway_from_the_future_does_not_move_our_clock(market: Marketplace) -> None:
    told = event()
    request = event_pb.IngestStripeEventRequest(
        endpoint=event_pb.STRIPE_ENDPOINT_PLATFORM, payload=json.dumps(told).encode()
    )
    request.receive_time.FromJsonString("9999-12-31T23:59:59Z")

    await market.gateway.events.IngestStripeEvent(request)

    row = await row_of(market, told)
    assert row["received_at"].year < 9999
    assert await market.inbox.run_once() == 1
