"""The client against a real server that implements EscrowService and records what arrives."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import grpc
import pytest
import pytest_asyncio
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]  # no py.typed
    BadRequest,
    ErrorInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no py.typed
from grpc_status import rpc_status

from escrow.client import EscrowClient, connect, new_request_id, reason_of
from escrow.v1.escrow_service_pb2 import GetEscrowRequest, GetEscrowResponse
from escrow.v1.escrow_service_pb2_grpc import (
    EscrowServiceServicer,
    add_EscrowServiceServicer_to_server,
)

Context = grpc.aio.ServicerContext[GetEscrowRequest, GetEscrowResponse]
Behaviour = Callable[[Context], Awaitable[None]]
REQUEST = GetEscrowRequest(escrow_id="escrow_1")


async def answer(_context: Context) -> None:
    """Lets the call succeed."""


async def hang(_context: Context) -> None:
    await asyncio.Event().wait()


def abort(code: grpc.StatusCode, *metadata: tuple[str, str | bytes]) -> Behaviour:
    async def behave(context: Context) -> None:
        await context.abort(code, "refused", metadata)

    return behave


@dataclass
class Service(EscrowServiceServicer):
    """Behaves call by call as ``behaviours`` say, and then answers."""

    behaviours: list[Behaviour] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    seconds_left: list[float] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    target: str = ""

    async def GetEscrow(  # noqa: N802 - the name in the contract
        self, request: GetEscrowRequest, context: Context
    ) -> GetEscrowResponse:
        assert request == REQUEST
        self.metadata.append(dict(context.invocation_metadata() or ()))
        self.seconds_left.append(context.time_remaining())
        self.arrived.set()
        behave = self.behaviours.pop(0) if self.behaviours else answer
        try:
            await behave(context)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return GetEscrowResponse()


@pytest_asyncio.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()  # type: ignore[abstract]  # only what the tests call
    server = grpc.aio.server()
    add_EscrowServiceServicer_to_server(service, server)
    service.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield service
    await server.stop(grace=None)


@pytest_asyncio.fixture
async def client(service: Service) -> AsyncIterator[EscrowClient]:
    async with connect(service.target, tenant="acme", caller="orders", deadline_s=5) as client:
        yield client


async def test_a_call_says_for_whom_it_is_made(client: EscrowClient, service: Service) -> None:
    response = await client.escrows.GetEscrow(REQUEST)
    assert isinstance(response, GetEscrowResponse)
    assert service.metadata[0]["escrow-tenant"] == "acme"
    assert service.metadata[0]["escrow-caller"] == "orders"
    assert "escrow-party" not in service.metadata[0]
    assert "authorization" not in service.metadata[0]


async def test_acting_for_a_party_changes_only_that_view(
    client: EscrowClient, service: Service
) -> None:
    payer, payee = client.acting("payer"), client.acting("payee")
    await payer.escrows.GetEscrow(REQUEST)
    await payee.escrows.GetEscrow(REQUEST)
    await payer.acting("operator").escrows.GetEscrow(REQUEST)
    await client.escrows.GetEscrow(REQUEST)
    parties = [metadata.get("escrow-party") for metadata in service.metadata]
    assert parties == ["payer", "payee", "operator", None]
    assert {metadata["escrow-tenant"] for metadata in service.metadata} == {"acme"}


async def test_a_calls_own_metadata_is_kept(client: EscrowClient, service: Service) -> None:
    await client.escrows.GetEscrow(REQUEST, metadata=grpc.aio.Metadata(("traceparent", "00-1")))
    assert service.metadata[0]["traceparent"] == "00-1"
    assert service.metadata[0]["escrow-tenant"] == "acme"


async def test_a_token_is_asked_for_before_each_call(service: Service) -> None:
    tokens = iter(["first", "second"])
    async with connect(
        service.target, tenant="acme", caller="orders", token=lambda: next(tokens)
    ) as client:
        await client.escrows.GetEscrow(REQUEST)
        await client.acting("payer").escrows.GetEscrow(REQUEST)
    async with connect(service.target, tenant="acme", caller="orders", token="fixed") as client:
        await client.escrows.GetEscrow(REQUEST)
    sent = [metadata["authorization"] for metadata in service.metadata]
    assert sent == ["Bearer first", "Bearer second", "Bearer fixed"]


async def test_credentials_make_the_channel_secure() -> None:
    service = Service()  # type: ignore[abstract]  # only what the tests call
    server = grpc.aio.server()
    add_EscrowServiceServicer_to_server(service, server)
    port = server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
    await server.start()
    async with connect(
        f"127.0.0.1:{port}",
        tenant="acme",
        caller="orders",
        credentials=grpc.local_channel_credentials(),
    ) as client:
        await client.escrows.GetEscrow(REQUEST)
    await server.stop(grace=None)
    assert len(service.metadata) == 1


async def test_every_call_has_a_deadline(client: EscrowClient, service: Service) -> None:
    await client.escrows.GetEscrow(REQUEST)
    await client.escrows.GetEscrow(REQUEST, timeout=60)
    assert 0 < service.seconds_left[0] < 6  # the server reads its own clock
    assert 50 < service.seconds_left[1] < 61


async def test_a_service_that_hangs_is_given_up(service: Service) -> None:
    service.behaviours = [hang]
    async with connect(service.target, tenant="acme", caller="orders", deadline_s=0.2) as client:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await client.escrows.GetEscrow(REQUEST)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_caller_that_leaves_cancels_the_call(
    client: EscrowClient, service: Service
) -> None:
    service.behaviours = [hang]

    async def ask() -> None:
        await client.escrows.GetEscrow(REQUEST)

    asking = asyncio.create_task(ask())
    await asyncio.wait_for(service.arrived.wait(), timeout=5)
    asking.cancel()
    await asyncio.wait_for(service.cancelled.wait(), timeout=5)
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_an_unavailable_service_is_asked_again(
    client: EscrowClient, service: Service
) -> None:
    service.behaviours = [abort(grpc.StatusCode.UNAVAILABLE)] * 2
    await client.acting("payer").escrows.GetEscrow(REQUEST)
    assert [metadata["escrow-party"] for metadata in service.metadata] == ["payer"] * 3


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.FAILED_PRECONDITION,
    ],
)
async def test_any_other_refusal_is_final(
    client: EscrowClient, service: Service, code: grpc.StatusCode
) -> None:
    service.behaviours = [abort(code)]
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await client.escrows.GetEscrow(REQUEST)
    assert failed.value.code() is code
    assert len(service.metadata) == 1


async def test_a_service_can_ask_not_to_be_asked_again(
    client: EscrowClient, service: Service
) -> None:
    service.behaviours = [abort(grpc.StatusCode.UNAVAILABLE, ("grpc-retry-pushback-ms", "-1"))]
    with pytest.raises(grpc.aio.AioRpcError):
        await client.escrows.GetEscrow(REQUEST)
    assert len(service.metadata) == 1


def packed(detail: Message) -> Any:
    envelope = Any()
    envelope.Pack(detail)
    return envelope


async def refusal(client: EscrowClient, service: Service, behave: Behaviour) -> str:
    service.behaviours = [behave]
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await client.escrows.GetEscrow(REQUEST)
    return reason_of(failed.value)


async def test_the_reason_of_a_refusal_is_read_from_its_details(
    client: EscrowClient, service: Service
) -> None:
    status = Status(
        code=grpc.StatusCode.FAILED_PRECONDITION.value[0],
        message="The milestone is not delivered.",
        details=[packed(BadRequest()), packed(ErrorInfo(reason="WRONG_STATE", domain="escrow"))],
    )

    async def behave(context: Context) -> None:
        await context.abort_with_status(rpc_status.to_status(status))

    assert await refusal(client, service, behave) == "WRONG_STATE"


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("grpc-status-details-bin", b""),),
        (("grpc-status-details-bin", b"\xff\xff\xff"),),
        (
            (
                "grpc-status-details-bin",
                Status(details=[packed(BadRequest())]).SerializeToString(),
            ),
        ),
        (
            (
                "grpc-status-details-bin",
                Status(
                    details=[
                        Any(
                            type_url="type.googleapis.com/google.rpc.ErrorInfo",
                            value=b"\xff",
                        )
                    ]
                ).SerializeToString(),
            ),
        ),
    ],
    ids=["none", "empty", "not a status", "no ErrorInfo", "broken ErrorInfo"],
)
async def test_a_refusal_without_a_reason_has_an_empty_one(
    client: EscrowClient, service: Service, metadata: tuple[tuple[str, bytes], ...]
) -> None:
    assert await refusal(client, service, abort(grpc.StatusCode.NOT_FOUND, *metadata)) == ""


async def test_a_call_that_reached_nobody_has_no_reason() -> None:
    async with connect("127.0.0.1:1", tenant="acme", caller="orders", deadline_s=3) as client:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await client.escrows.GetEscrow(REQUEST)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason_of(failed.value) == ""


def test_request_ids_are_uuids_and_never_the_same() -> None:
    ids = {new_request_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(str(uuid.UUID(request_id)) == request_id for request_id in ids)
