from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc import StatusCode

from escrow.v1 import stripe_event_service_pb2 as pb
from escrow.v1 import stripe_event_service_pb2_grpc as pb_grpc
from service.domain.call import Call
from service.domain.errors import RateLimited
from service.rpc.edge import MOST_METADATA
from service.rpc.grpc_server import METADATA_MAX_BYTES, Listening, serving
from service.rpc.identity.caller import Caller
from service.rpc.identity.development import development_identify
from service.rpc.identity.roles import ROLES
from service.rpc.rate_limits import BURST_S, MOST_BUCKETS, RateLimit, RateLimits
from tests.recorded import Metrics
from tests.service.operations.refusals import check_refusal, read_refusal

SERVICE = pb.DESCRIPTOR.services_by_name["StripeEventService"]
METHOD = f"{SERVICE.full_name}/IngestStripeEvent"
EVENT = pb.IngestStripeEventRequest(endpoint=pb.STRIPE_ENDPOINT_PLATFORM, payload=b"{}")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def caller(name: str = "orders", tenant: str = "acme") -> Caller:
    role = ROLES["service"]
    return Caller(tenant, name, role, role.parties[0])


def test_naming_persons_gives_no_more_calls() -> None:
    clock = Clock()
    limit = RateLimit("m", 50, clock=clock)
    shared = caller("operators")

    assert taken(limit, replace(shared, person="jo"), 500) == 50 * BURST_S
    assert taken(limit, replace(shared, person="sam"), 500) == 0


def taken(limit: RateLimit, who: Caller, tries: int) -> int:
    done = 0
    for _ in range(tries):
        try:
            limit.check(who)
        except RateLimited:
            continue
        done += 1
    return done


def test_a_burst_and_then_the_rate() -> None:
    clock = Clock()
    limit = RateLimit("m", 50, clock=clock)

    assert taken(limit, caller(), 500) == 50 * BURST_S
    clock.now += 1
    assert taken(limit, caller(), 500) == 50
    clock.now += 3600
    assert taken(limit, caller(), 500) == 50 * BURST_S


def test_who_is_refused_is_told_when_to_come_again_and_pays_nothing() -> None:
    clock = Clock()
    limit = RateLimit("m", 10, clock=clock)
    taken(limit, caller(), 1_000)

    with pytest.raises(RateLimited) as refused:
        limit.check(caller())

    assert 99 <= refused.value.retry_after_ms <= 101
    clock.now += refused.value.retry_after_ms / 1000
    limit.check(caller())


def test_a_rate_below_one_a_second_still_lets_one_through() -> None:
    clock = Clock()
    limit = RateLimit("m", 0.1, clock=clock)

    assert taken(limit, caller(), 10) == 1
    clock.now += 10
    assert taken(limit, caller(), 10) == 1


def test_each_caller_and_each_tenant_has_a_bucket_of_its_own() -> None:
    limit = RateLimit("m", 10, clock=Clock())
    taken(limit, caller(), 100)

    assert taken(limit, caller("billing"), 100) == 10 * BURST_S
    assert taken(limit, caller(tenant="globex"), 100) == 10 * BURST_S
    assert taken(limit, caller(), 100) == 0


def test_full_buckets_are_forgotten() -> None:
    clock = Clock()
    limit = RateLimit("m", 1000, clock=clock)
    for number in range(MOST_BUCKETS):
        limit.check(caller(f"c{number}"))
    clock.now += 1
    taken(limit, caller("busy"), 100)

    limit.check(caller("one-more"))

    assert limit._callers is not None
    assert len(limit._callers._full_at) == 2


def test_of_many_that_are_not_full_not_every_call_looks_for_those_that_are() -> None:
    clock = Clock()
    limit = RateLimit("m", 0, per_end_user=0.01, clock=clock)
    assert limit._end_users is not None
    seen: list[object] = []
    for number in range(3 * MOST_BUCKETS):
        limit.check(replace(caller("shop"), end_user=f"u{number}"))
        if not seen or seen[-1] is not limit._end_users._full_at:
            seen.append(limit._end_users._full_at)
    assert len(seen) == 3  # looked for twice, in vain

    clock.now += 1_000
    for number in range(2 * MOST_BUCKETS):
        limit.check(replace(caller("shop"), end_user=f"v{number}"))
    assert len(limit._end_users._full_at) <= 2 * MOST_BUCKETS


def test_an_end_user_above_their_rate_takes_nothing_of_their_backend() -> None:
    clock = Clock()
    limit = RateLimit("m", 100, per_end_user=10, clock=clock)
    backend = caller("shop")
    ann, ben = (replace(backend, end_user=who) for who in ("ann", "ben"))

    assert taken(limit, ann, 500) == 10 * BURST_S
    assert taken(limit, ben, 500) == 10 * BURST_S
    assert taken(limit, backend, 500) == (100 - 20) * BURST_S
    assert taken(limit, replace(ann, name="app"), 500) == 10 * BURST_S  # of another backend

    clock.now += 0.05  # the backend has five tokens again, and no end user one
    assert taken(limit, ann, 500) == 0
    assert taken(limit, backend, 500) == 5


def test_who_is_refused_is_told_which_limit_it_was() -> None:
    limit = RateLimit("m", 10, per_end_user=1, clock=Clock())
    ann = replace(caller(), end_user="ann")
    taken(limit, ann, 10)
    with pytest.raises(RateLimited) as refused:
        limit.check(ann)
    assert refused.value.metadata["limit"] == "end_user"
    taken(limit, caller(), 100)
    with pytest.raises(RateLimited) as refused:
        limit.check(replace(ann, end_user="ben"))
    assert refused.value.metadata["limit"] == "caller"


def test_where_no_limit_is_set_there_is_no_bucket() -> None:
    limits = RateLimits(0, {"GetEscrow": 10})

    assert limits.of(METHOD) is None
    assert limits.of("escrow.v1.EscrowService/GetEscrow") is not None
    assert RateLimits(10, {"GetEscrow": 0}).of("escrow.v1.EscrowService/GetEscrow") is None
    assert RateLimits(0, per_end_user=1).of(METHOD) is not None


def serve(limits: RateLimits) -> Any:  # noqa: ANN401  a context manager of a port
    async def ingest(_house: object, _call: Call, _request: object) -> Message:
        return pb.IngestStripeEventResponse()

    listening = Listening("127.0.0.1", 0, 30, 300, 1, reflection=False)
    operations: Any = {method.name: ingest for method in SERVICE.methods}
    runtime: Any = None
    identify = development_identify({"default", "neighbour"})
    return serving(runtime, [SERVICE], operations, identify, listening, rate_limits=limits)


def told(**more: str) -> tuple[tuple[str, str], ...]:
    return (("escrow-role", "gateway"), *((f"escrow-{key}", value) for key, value in more.items()))


async def test_a_caller_above_its_rate_is_refused_with_the_reason_and_the_delay(
    metrics: Metrics,
) -> None:
    async with (
        serve(RateLimits(0, {"IngestStripeEvent": 0.5})) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub: Any = pb_grpc.StripeEventServiceStub(channel)
        await stub.IngestStripeEvent(EVENT, timeout=5, metadata=told())

        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.IngestStripeEvent(EVENT, timeout=5, metadata=told())

        refusal = read_refusal(refused.value)
        check_refusal(refusal, "RATE_LIMITED")
        assert refusal.retry_delay_s is not None
        assert 0 < refusal.retry_delay_s <= 2
        # Another caller, another tenant and another method are none the worse for it.
        await stub.IngestStripeEvent(EVENT, timeout=5, metadata=told(caller="other"))
        await stub.IngestStripeEvent(EVENT, timeout=5, metadata=told(tenant="neighbour"))
        batch = pb.BatchIngestStripeEventsRequest(requests=[EVENT])
        await stub.BatchIngestStripeEvents(batch, timeout=5, metadata=told())
    counted = metrics.points()["escrow.rate_limit.refused"]
    assert {labels: point.value for labels, point in counted.items()} == {
        ("development", "caller", "default", METHOD): 1
    }


async def test_too_much_metadata_is_refused() -> None:
    async with (
        serve(RateLimits()) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub: Any = pb_grpc.StripeEventServiceStub(channel)
        many = [(f"x-{number}", "1") for number in range(MOST_METADATA)]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.IngestStripeEvent(EVENT, timeout=5, metadata=(*told(), *many))
        assert refused.value.code() == StatusCode.INVALID_ARGUMENT
        assert f"at most {MOST_METADATA}" in str(refused.value.details())

        large = ("x-large", "1" * METADATA_MAX_BYTES)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.IngestStripeEvent(EVENT, timeout=5, metadata=(*told(), large))
        assert refused.value.code() == StatusCode.RESOURCE_EXHAUSTED

        fitting = ("x-large", "1" * (METADATA_MAX_BYTES - 2_000))
        await stub.IngestStripeEvent(EVENT, timeout=5, metadata=(*told(), fitting))
