import asyncio
import gc
import random
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
import pytest
import pytest_asyncio
import structlog
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped] # has no types
from grpc import StatusCode

from escrow.v1 import (
    escrow_service_pb2,
    escrow_service_pb2_grpc,
    stripe_event_service_pb2,
    stripe_event_service_pb2_grpc,
)
from service.domain.call import Call, Party
from service.domain.errors import EscrowMissing
from service.rpc.edge import Edge
from service.rpc.identity.development import development_identify
from service.rpc.servicer import add_services

SERVICES = (
    escrow_service_pb2.DESCRIPTOR.services_by_name["EscrowService"],
    stripe_event_service_pb2.DESCRIPTOR.services_by_name["StripeEventService"],
)
REQUEST_ID = "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000"
ESCROW_ID = "esc_" + "0" * 32
MILESTONE_ID = "mst_" + "1" * 32
GET = escrow_service_pb2.GetEscrowRequest(escrow_id=ESCROW_ID)
DEFAULT_DEADLINE_S = 0.2

Operation = Callable[["Runtime", Call, Any], Awaitable[Message]]


class Runtime:
    """Where the operations of these tests note what happened to them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.began = asyncio.Event()
        self.was_canceled = asyncio.Event()


async def answer(runtime: Runtime, call: Call, request: Any) -> Message:  # noqa: ANN401 - any request
    runtime.calls.append(call)
    escrow = escrow_service_pb2.Escrow(id=getattr(request, "escrow_id", ""))
    return escrow_service_pb2.GetEscrowResponse(escrow=escrow)


async def refuse(_house: Runtime, _call: Call, request: Any) -> Message:  # noqa: ANN401 - any request
    raise EscrowMissing(escrow_id=request.escrow_id)


async def fail(_house: Runtime, _call: Call, _request: object) -> Message:
    raise RuntimeError("the password is hunter2")


async def cancel_itself(_house: Runtime, _call: Call, _request: object) -> Message:
    inner = asyncio.create_task(asyncio.sleep(60))
    inner.cancel()
    await inner
    raise AssertionError


async def time_out_itself(_house: Runtime, _call: Call, _request: object) -> Message:
    raise TimeoutError


async def answer_nothing(_house: Runtime, _call: Call, _request: object) -> Any:  # noqa: ANN401 - a bug
    return None


async def hang(runtime: Runtime, _call: Call, _request: object) -> Message:
    runtime.began.set()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        runtime.was_canceled.set()
        raise
    raise AssertionError


OPERATIONS: Mapping[str, Operation] = {
    **{method.name: answer for service in SERVICES for method in service.methods},
    "CapturePayment": refuse,
    "CancelEscrow": refuse,
    "QuoteFees": fail,
    "ListEscrows": cancel_itself,
    "ListTimeline": hang,
    "GetPayment": time_out_itself,
    "CancelPayment": answer_nothing,
}


class Served:
    def __init__(self, runtime: Runtime, channel: grpc.aio.Channel) -> None:
        self.runtime = runtime
        self.channel = channel
        self.escrows: Any = escrow_service_pb2_grpc.EscrowServiceStub(channel)
        self.events: Any = stripe_event_service_pb2_grpc.StripeEventServiceStub(channel)


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    runtime = Runtime()
    identify = development_identify({"default", "acme"})
    server = grpc.aio.server()
    add_services(
        server, runtime, SERVICES, OPERATIONS, Edge(identify, default_deadline_s=DEFAULT_DEADLINE_S)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Served(runtime, channel)
    await server.stop(None)


async def error_of(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(call, 10)
    return caught.value


def error_info(error: grpc.aio.AioRpcError) -> Any:  # noqa: ANN401 - has no types
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    return error_details_pb2.ErrorInfo.FromString(status.details[0].value)


async def test_a_good_call_is_answered(served: Served) -> None:
    response = await served.escrows.GetEscrow(GET, timeout=5)

    assert response.escrow.id == ESCROW_ID


async def test_a_refusal_has_its_status_and_reason(served: Served) -> None:
    request = escrow_service_pb2.CancelEscrowRequest(request_id=REQUEST_ID, escrow_id=ESCROW_ID)
    error = await error_of(served.escrows.CancelEscrow(request, timeout=5))

    assert error.code() == StatusCode.NOT_FOUND
    assert error_info(error).reason == "ESCROW_MISSING"


# --- bugs ---------------------------------------------------------------------------------------

QUOTE = escrow_service_pb2.QuoteFeesRequest(currency="USD", amounts_minor=[1])
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_an_exception_shows_nothing_but_a_trace_id(served: Served) -> None:
    with structlog.testing.capture_logs() as logs:
        error = await error_of(
            served.escrows.QuoteFees(QUOTE, timeout=5, metadata=[("traceparent", TRACEPARENT)])
        )

    assert error.code() == StatusCode.INTERNAL
    assert "hunter2" not in repr(error) + str(error.trailing_metadata())
    assert error_info(error).reason == "INTERNAL"
    assert error_info(error).metadata == {"trace_id": "0af7651916cd43dd8448eb211c80319c"}
    [line] = logs
    assert (line["event"], line["log_level"]) == ("call failed", "error")
    assert str(line["exc_info"]) == "the password is hunter2"


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("ListEscrows", escrow_service_pb2.ListEscrowsRequest()),
        ("GetPayment", escrow_service_pb2.GetPaymentRequest(payment_id="pay_" + "0" * 32)),
        (
            "CancelPayment",
            escrow_service_pb2.CancelPaymentRequest(
                request_id=REQUEST_ID, payment_id="pay_" + "0" * 32
            ),
        ),
    ],
    ids=["cancels itself", "times out itself", "answers nothing"],
)
async def test_whatever_goes_wrong_inside_is_internal(
    served: Served, method: str, request_: Message
) -> None:
    error = await error_of(getattr(served.escrows, method)(request_, timeout=5))

    assert error.code() == StatusCode.INTERNAL
    assert error.details() == (
        "The service failed, and has reported itself; the trace_id finds what happened."
    )
    assert len(error_info(error).metadata["trace_id"]) == 32


# --- bad input ----------------------------------------------------------------------------------


async def test_a_refused_request_does_not_stay_in_memory(served: Served) -> None:
    """The collector comes seldom, and what a hostile client sends is as large as it may be."""
    request = escrow_service_pb2.GetEscrowRequest(escrow_id="4" * 1_000_000)
    await error_of(served.escrows.GetEscrow(request, timeout=5))
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(20):
            await error_of(served.escrows.GetEscrow(request, timeout=5))
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()

    assert kept_bytes < 5_000_000


async def test_a_bad_request_never_reaches_the_operation(served: Served) -> None:
    error = await error_of(
        served.escrows.GetEscrow(escrow_service_pb2.GetEscrowRequest(escrow_id="42"), timeout=5)
    )

    assert error.code() == StatusCode.INVALID_ARGUMENT
    assert error_info(error).reason == "INVALID_FIELD"
    assert served.runtime.calls == []


@pytest.mark.parametrize("seed", range(20))
async def test_bytes_that_are_no_message_are_the_clients_mistake(served: Served, seed: int) -> None:
    body = b"\x0a\xff" + random.Random(seed).randbytes(seed)
    get: Any = served.channel.unary_unary("/escrow.v1.EscrowService/GetEscrow")

    error = await error_of(get(body, timeout=5))

    assert error.code() == StatusCode.INVALID_ARGUMENT
    assert error_info(error).reason in ("INVALID", "INVALID_FIELD")


async def test_a_text_that_is_not_utf_8_is_refused(served: Served) -> None:
    get: Any = served.channel.unary_unary("/escrow.v1.EscrowService/GetEscrow")

    error = await error_of(get(b"\x0a\x02\xff\xfe", timeout=5))

    assert (error.code(), error_info(error).reason) == (StatusCode.INVALID_ARGUMENT, "INVALID")


async def test_an_unknown_method_is_unimplemented(served: Served) -> None:
    nothing: Any = served.channel.unary_unary("/escrow.v1.EscrowService/Nothing")

    assert (await error_of(nothing(b"", timeout=5))).code() == StatusCode.UNIMPLEMENTED


# --- deadlines and clients that leave -----------------------------------------------------------

TIMELINE = escrow_service_pb2.ListTimelineRequest(escrow_id=ESCROW_ID)


async def test_a_call_without_a_deadline_gets_one(served: Served) -> None:
    error = await error_of(served.escrows.ListTimeline(TIMELINE))

    assert error.code() == StatusCode.DEADLINE_EXCEEDED
    assert error_info(error).reason == "DEADLINE_EXPIRED"
    assert served.runtime.was_canceled.is_set()


async def test_a_deadline_stops_the_operation(served: Served) -> None:
    error = await error_of(served.escrows.ListTimeline(TIMELINE, timeout=0.1))

    assert error.code() == StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(served.runtime.was_canceled.wait(), 5)


async def test_a_client_that_leaves_stops_the_operation(served: Served) -> None:
    with structlog.testing.capture_logs() as logs:
        call = served.escrows.ListTimeline(TIMELINE, timeout=30)
        await asyncio.wait_for(served.runtime.began.wait(), 5)
        call.cancel()
        await asyncio.wait_for(served.runtime.was_canceled.wait(), 5)

    assert logs == []  # nothing failed


# --- who calls ----------------------------------------------------------------------------------


async def call_seen(served: Served, *metadata: tuple[str, str]) -> Call:
    await served.escrows.GetEscrow(GET, timeout=5, metadata=metadata)
    return served.runtime.calls.pop()


async def test_the_development_default(served: Served) -> None:
    call = await call_seen(served)

    assert (call.tenant_id, call.caller, call.party, call.key) == (
        "default",
        "development",
        Party.SERVICE,
        "",
    )
    assert len(call.trace_id) == 32
    assert call.trace_id != (await call_seen(served)).trace_id


async def test_the_callers_own_words(served: Served) -> None:
    call = await call_seen(
        served,
        ("escrow-tenant", "acme"),
        ("escrow-caller", "orders-service"),
        ("escrow-party", "payer"),
        ("traceparent", TRACEPARENT),
    )

    known = call.traceparent, call.answer_by
    people = frozenset({"orders-service"})
    assert call == Call(
        *("acme", "orders-service", Party.PAYER, "", *known),
        may_pay=True,
        people=people,
        is_program=True,
    )
    assert call.trace_id == "0af7651916cd43dd8448eb211c80319c"


async def test_the_request_id_is_the_key(served: Served) -> None:
    request = escrow_service_pb2.AcceptDeliveryRequest(
        request_id=REQUEST_ID, escrow_id=ESCROW_ID, milestone_id=MILESTONE_ID
    )
    await served.escrows.AcceptDelivery(request, timeout=5)

    assert served.runtime.calls.pop().key == REQUEST_ID


async def test_an_operator_needs_to_say_it_only_once(served: Served) -> None:
    assert (await call_seen(served, ("escrow-party", "operator"))).party == Party.OPERATOR
    assert (await call_seen(served, ("escrow-role", "operator"))).party == Party.OPERATOR


@pytest.mark.parametrize(
    ("metadata", "status", "reason"),
    [
        ([("escrow-tenant", "nobody")], StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        ([("escrow-tenant", "")], StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        ([("escrow-tenant", "acme; drop")], StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        ([("escrow-caller", "x" * 101)], StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        ([("escrow-caller", "a")] * 2, StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        ([("escrow-party", "stripe")], StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        ([("escrow-party", "timer")], StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        ([("escrow-party", "PAYER")], StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        ([("escrow-role", "root")], StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        ([("escrow-role", "gateway")], StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING"),
        (
            [("escrow-role", "service"), ("escrow-party", "operator")],
            StatusCode.PERMISSION_DENIED,
            "PARTY_NOT_ALLOWED",
        ),
        (
            [("escrow-role", "operator"), ("escrow-party", "payer")],
            StatusCode.PERMISSION_DENIED,
            "PARTY_NOT_ALLOWED",
        ),
    ],
)  # fmt: skip
async def test_whom_the_service_does_not_serve(
    served: Served, metadata: list[tuple[str, str]], status: StatusCode, reason: str
) -> None:
    error = await error_of(served.escrows.GetEscrow(GET, timeout=5, metadata=metadata))

    assert (error.code(), error_info(error).reason) == (status, reason)
    assert served.runtime.calls == []


async def test_only_the_gateway_tells_stripes_events(served: Served) -> None:
    event = stripe_event_service_pb2.IngestStripeEventRequest(
        endpoint=stripe_event_service_pb2.STRIPE_ENDPOINT_PLATFORM, payload=b"{}"
    )

    error = await error_of(served.events.IngestStripeEvent(event, timeout=5))
    assert error.code() == StatusCode.PERMISSION_DENIED

    await served.events.IngestStripeEvent(event, timeout=5, metadata=[("escrow-role", "gateway")])
    assert len(served.runtime.calls) == 1
