"""Chaos does what its rates say, to requests and to deliveries, and the same for the same seed."""

import aiohttp
import pytest

from stripe_sandbox.chaos import DELIVERY_RATES, EVENT_RATES, RATES, REQUEST_RATES, Chaos
from stripe_sandbox.store import StripeObject
from tests.stripe_sandbox.conftest import Running

CALM = dict.fromkeys(RATES, 0.0)
CUSTOMER = {"name": "Ada"}


async def begin(running: Running, **rates: float) -> None:
    await running.control("POST", "chaos", seed=7, rates=CALM | rates)


async def post(running: Running, key: str) -> int:
    status, _, _ = await running.raw("POST", "/v1/customers", CUSTOMER, Idempotency_Key=key)
    return status


async def count(running: Running) -> int:
    return len((await running.client.v1.customers.list_async()).data)


async def deliveries(running: Running) -> list[StripeObject]:
    return list((await running.control("GET", "deliveries"))["data"])


def decisions(seed: int) -> list[object]:
    """What chaos decides about a hundred requests and events of one kind."""
    chaos = Chaos()
    chaos.begin(seed, {})
    event = {"type": "charge.updated"}
    return [
        (
            fault and (fault.kind, fault.status, fault.latency_ms, fault.effect),
            chaos.event_faults(event),
            chaos.delivery_of(event),
        )
        for fault in (chaos.fault_of("POST", "/v1/transfers", has_key=True) for _ in range(100))
    ]


def test_a_seed_decides_the_same_again_and_another_seed_does_not() -> None:
    assert decisions(7) == decisions(7)
    assert decisions(7) != decisions(8)


def test_what_happens_to_one_route_does_not_depend_on_the_others() -> None:
    alone, among_others = Chaos(), Chaos()
    for chaos in (alone, among_others):
        chaos.begin(7, {})
    for _ in range(50):
        among_others.fault_of("GET", "/v1/events", has_key=False)
        among_others.delivery_of({"type": "charge.updated"})
        faults = [
            chaos.fault_of("POST", "/v1/payouts", has_key=True) for chaos in (alone, among_others)
        ]
        assert (faults[0] and faults[0].kind) == (faults[1] and faults[1].kind)


def test_everything_that_has_a_rate_is_done_sooner_or_later() -> None:
    chaos = Chaos()
    chaos.begin(7, {})
    struck: set[str] = set()
    for _ in range(1000):
        chaos.fault_of("POST", "/v1/transfers", has_key=True)
        chaos.delivery_of({"type": "charge.updated"})
        struck.update(chaos.event_faults({"type": "charge.updated"}))
    assert set(chaos.done) == REQUEST_RATES.keys() | DELIVERY_RATES.keys()
    assert struck == EVENT_RATES.keys()


@pytest.mark.parametrize(
    ("kind", "answers", "made"),
    [
        ("key_in_use", 409, 0),
        ("rate_limited", 429, 0),
        ("error_before_effect", 500, 0),
        ("error_after_effect", 500, 1),
        ("latency", 200, 1),
    ],
)
async def test_a_request_is_struck(running: Running, kind: str, answers: int, made: int) -> None:
    await begin(running, **{kind: 1.0})
    assert await post(running, "k1") == answers
    told = await running.control("DELETE", "chaos")
    assert (told["seed"], told["done"]) == (None, {kind: 1})
    assert await count(running) == made
    assert await post(running, "k1") == 200
    assert await count(running) == 1


@pytest.mark.parametrize(("kind", "made"), [("cut_before_effect", 0), ("cut_after_effect", 1)])
async def test_a_connection_is_cut(running: Running, kind: str, made: int) -> None:
    await begin(running, **{kind: 1.0})
    with pytest.raises(aiohttp.ClientError):
        await post(running, "k1")
    await running.control("DELETE", "chaos")
    assert await count(running) == made


async def test_a_failure_is_stored_under_its_key(running: Running) -> None:
    await begin(running, stored_error=1.0)
    assert await post(running, "k1") == 500
    await running.control("DELETE", "chaos")
    assert [await post(running, "k1"), await post(running, "k2")] == [500, 200]


async def test_an_event_is_dropped_and_stays_on_the_list(running: Running) -> None:
    await begin(running, drop=1.0)
    await post(running, "k1")
    assert [delivery["status"] for delivery in await deliveries(running)] == ["dropped"]
    await running.control("DELETE", "chaos")
    await running.advance(4 * 24 * 3600)
    assert running.receiver.events() == []
    undelivered = await running.client.v1.events.list_async({"delivery_success": False})
    [event] = undelivered.data
    await running.control("POST", f"events/{event.id}/redeliver")
    [told] = await running.receiver.wait_for("customer.created")
    assert told["id"] == event.id


async def test_an_event_is_never_generated_until_somebody_makes_it(running: Running) -> None:
    await begin(running, never_generated=1.0)
    await post(running, "k1")
    assert (await running.client.v1.events.list_async()).data == []
    await running.control("DELETE", "chaos")
    made = await running.control("POST", "chaos/generate")
    [told] = await running.receiver.wait_for("customer.created")
    assert [event["id"] for event in made["data"]] == [told["id"]]
    assert (await running.control("POST", "chaos/generate"))["data"] == []


async def test_an_event_is_told_twice_or_by_a_twin(running: Running) -> None:
    await begin(running, duplicate=1.0)
    await post(running, "k1")
    same = await running.receiver.wait_for("customer.created", 2)
    assert same[0]["id"] == same[1]["id"]
    await begin(running, twin=1.0)
    await post(running, "k2")
    twins = (await running.receiver.wait_for("customer.created", 4))[2:]
    assert twins[0]["id"] != twins[1]["id"]
    assert twins[0]["data"] == twins[1]["data"]


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [("wrong_livemode", "livemode", True), ("wrong_api_version", "api_version", "2024-06-20")],
)
async def test_an_event_of_another_world_comes_beside_the_right_one(
    running: Running, kind: str, field: str, value: object
) -> None:
    await begin(running, **{kind: 1.0})
    await post(running, "k1")
    events = await running.receiver.wait_for("customer.created", 2)
    assert [event for event in events if event[field] == value] != []
    assert [event for event in events if event[field] != value] != []


async def test_an_old_snapshot_is_told_as_if_it_were_new(running: Running) -> None:
    customer = await running.client.v1.customers.create_async({"name": "Ada"})
    await begin(running, stale_snapshot=1.0)
    await running.client.v1.customers.update_async(customer.id, {"name": "Grace"})
    events = await running.receiver.wait_for("customer.updated", 2)
    assert sorted(event["data"]["object"]["name"] for event in events) == ["Ada", "Grace"]


async def test_a_late_event_comes_when_the_clock_gets_there(running: Running) -> None:
    await begin(running, delay=1.0)
    await post(running, "k1")
    [waiting] = await deliveries(running)
    assert waiting["next_attempt_at"] > waiting["created"]
    await running.advance(3600)
    assert len(running.receiver.events("customer.created")) == 1


@pytest.mark.parametrize("rates", [{"lightning": 0.5}, {"drop": 1.5}, {"latency": 0.99}])
async def test_rates_that_cannot_be_are_refused(running: Running, rates: dict[str, float]) -> None:
    body = {"seed": 1, "rates": rates}
    async with running.http.post(f"{running.url}/_sandbox/chaos", json=body) as answer:
        assert answer.status == 400
