"""A flood of one method: it waits in its own line, and what waits is bounded and in time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import Message
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import escrow_service_pb2_grpc
from service.admission import MOST_LISTS_AT_WORK, aside
from service.domain.call import Call
from service.rpc.grpc_server import Listening, serving
from service.rpc.identity.development import development_identify
from service.waiting import MOST_WAITING
from tests.recorded import Metrics
from tests.service.operations.refusals import read_refusal

SERVICE = pb.DESCRIPTOR.services_by_name["EscrowService"]
LISTED = "escrow.v1.EscrowService/ListEscrows"


async def no_work() -> None:
    """Of most tests."""


async def answer_after(one: asyncio.Lock, seconds: float) -> None:
    """One call after another, as on a processor."""
    async with one:
        await asyncio.sleep(seconds)


class House:
    """ListEscrows waits at a door and works, GetPayment waits there aside, others answer."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.at_work = self.begun = 0
        self.work: Callable[[], Awaitable[None]] = no_work

    async def wait(self, _house: object, _call: Call, _request: object) -> Message:
        self.begun += 1
        self.at_work += 1
        try:
            await self.opened.wait()
            await self.work()
        finally:
            self.at_work -= 1
        return pb.ListEscrowsResponse()

    async def wait_aside(self, _house: object, _call: Call, _request: object) -> Message:
        self.begun += 1
        with aside():
            await self.opened.wait()
        return pb.GetPaymentResponse()

    async def answer(self, _house: object, _call: Call, _request: object) -> Message:
        return pb.QuoteFeesResponse()


class Served:
    def __init__(self, house: House, channel: grpc.aio.Channel) -> None:
        self.house = house
        self.escrows: Any = escrow_service_pb2_grpc.EscrowServiceStub(channel)
        self.health: Any = health_pb2_grpc.HealthStub(channel)

    def flood(self, calls: int, timeout: float | None = 20) -> list[asyncio.Task[object]]:
        request = pb.ListEscrowsRequest()
        return [
            asyncio.ensure_future(self.escrows.ListEscrows(request, timeout=timeout))
            for _ in range(calls)
        ]

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110 - the other side has nobody to tell us
                await asyncio.sleep(0.005)


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    house = House()
    operations: Any = {method.name: house.answer for method in SERVICE.methods}
    operations |= {"ListEscrows": house.wait, "GetPayment": house.wait_aside}
    runtime: Any = None
    listening = Listening("127.0.0.1", 0, 30, 300, 0.1, reflection=False)
    identify = development_identify({"default"})
    async with (
        serving(runtime, [SERVICE], operations, identify, listening) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield Served(house, channel)
        house.opened.set()


def waiting(metrics: Metrics, method: str = LISTED) -> int:
    points = metrics.points().get("escrow.line.waiting", {})
    point = points.get((method,))
    return point.value if point is not None else 0


async def test_a_flood_of_one_method_leaves_the_others_and_health_alone(
    served: Served, metrics: Metrics
) -> None:
    flood = served.flood(MOST_LISTS_AT_WORK + 200)
    await served.until(lambda: waiting(metrics) == 200)

    quote = pb.QuoteFeesRequest(currency="USD", amounts_minor=[1_000])
    await served.escrows.QuoteFees(quote, timeout=5)
    health = await served.health.Check(health_pb2.HealthCheckRequest(), timeout=5)

    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert served.house.begun == MOST_LISTS_AT_WORK
    served.house.opened.set()
    await asyncio.gather(*flood)
    assert served.house.begun == MOST_LISTS_AT_WORK + 200
    assert waiting(metrics) == 0


async def test_more_than_the_line_holds_is_refused_at_once(
    served: Served, metrics: Metrics
) -> None:
    flood = served.flood(MOST_LISTS_AT_WORK + MOST_WAITING + 300)
    answers = asyncio.as_completed(flood, timeout=15)

    for _ in range(300):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await next(answers)
        refusal = read_refusal(refused.value)
        assert (refusal.status, refusal.reason) == (StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert refusal.retry_delay_s

    assert metrics.points()["escrow.line.refused"][LISTED, "full"].value == 300
    served.house.opened.set()
    for answer in answers:
        await answer


async def test_what_would_be_answered_too_late_is_refused_early(
    served: Served, metrics: Metrics
) -> None:
    """By the pace at which the line has moved."""
    flood = served.flood(MOST_LISTS_AT_WORK)
    await served.until(lambda: served.house.begun == MOST_LISTS_AT_WORK)
    line = served.flood(900)
    await served.until(lambda: waiting(metrics) == 900)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.escrows.ListEscrows(pb.ListEscrowsRequest(), timeout=1)

    refusal = read_refusal(refused.value)
    assert (refusal.status, refusal.reason) == (StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    # Those who wait, the call itself, and those at work, who are answered at the same pace.
    assert refusal.retry_delay_s == pytest.approx((901 + MOST_LISTS_AT_WORK) * 0.002, abs=0.001)
    assert metrics.points()["escrow.line.refused"][LISTED, "too_slow"].value == 1
    served.house.opened.set()
    await asyncio.gather(*flood, *line)


async def test_in_a_flood_hardly_anybody_runs_out_of_its_deadline(served: Served) -> None:
    """The line empties again and again, and knows how slow it was."""
    loop = asyncio.get_running_loop()
    slow, end = asyncio.Lock(), loop.time() + 3
    codes: Counter[StatusCode] = Counter()
    served.house.work = lambda: answer_after(slow, 0.02)
    served.house.opened.set()

    async def call_again_and_again() -> None:
        while loop.time() < end:
            try:
                await served.escrows.ListEscrows(pb.ListEscrowsRequest(), timeout=0.5)
                codes[StatusCode.OK] += 1
            except grpc.aio.AioRpcError as error:
                codes[error.code()] += 1
                if error.code() is StatusCode.RESOURCE_EXHAUSTED:
                    await asyncio.sleep(read_refusal(error).retry_delay_s or 0)

    await asyncio.gather(*(call_again_and_again() for _ in range(60)))

    assert codes[StatusCode.OK] > 50
    assert codes[StatusCode.DEADLINE_EXCEEDED] < codes[StatusCode.RESOURCE_EXHAUSTED] / 5


@pytest.mark.parametrize("leaves", [True, False])
async def test_who_has_left_the_line_is_never_begun(
    served: Served, metrics: Metrics, leaves: bool
) -> None:
    """By canceling, or by a deadline that passes."""
    flood = served.flood(MOST_LISTS_AT_WORK)
    await served.until(lambda: served.house.begun == MOST_LISTS_AT_WORK)
    late = served.flood(20, timeout=20 if leaves else 0.5)
    if leaves:
        await served.until(lambda: waiting(metrics) == 20)
        for call in late:
            call.cancel()

    answers = await asyncio.gather(*late, return_exceptions=True)

    codes = {each.code() for each in answers if isinstance(each, grpc.aio.AioRpcError)}
    assert codes == (set() if leaves else {StatusCode.DEADLINE_EXCEEDED})
    await served.until(lambda: waiting(metrics) == 0)
    served.house.opened.set()
    await asyncio.gather(*flood)
    assert served.house.begun == MOST_LISTS_AT_WORK


async def test_who_waits_for_something_else_lets_others_work(served: Served) -> None:
    """For Stripe, or for a turn: any number may, and the next ones work meanwhile."""
    request = pb.GetPaymentRequest(payment_id="pay_" + "0" * 32)
    calls = [
        asyncio.ensure_future(served.escrows.GetPayment(request, timeout=20))
        for _ in range(3 * MOST_LISTS_AT_WORK)
    ]
    await served.until(lambda: served.house.begun == 3 * MOST_LISTS_AT_WORK)
    served.house.opened.set()
    await asyncio.gather(*calls)


async def test_places_are_given_back_however_calls_end(served: Served) -> None:
    flood = served.flood(2 * MOST_LISTS_AT_WORK)
    await served.until(lambda: served.house.begun == MOST_LISTS_AT_WORK)
    for call in flood:
        call.cancel()
    await asyncio.gather(*flood, return_exceptions=True)
    await served.until(lambda: served.house.at_work == 0)

    again = served.flood(MOST_LISTS_AT_WORK)
    before = served.house.begun
    await served.until(lambda: served.house.begun == before + MOST_LISTS_AT_WORK)
    served.house.opened.set()
    await asyncio.gather(*again)
