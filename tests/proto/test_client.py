"""The client against a real server that implements EscrowService and records what arrives."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any as Anything

import grpc
import pytest
import pytest_asyncio
import trustme
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]  # no py.typed
    BadRequest,
    ErrorInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no py.typed
from grpc_status import rpc_status

from escrow.client import EscrowClient, connect, new_request_id, reason_of
from escrow.v1.escrow_service_pb2 import (
    CreateEscrowRequest,
    CreateEscrowResponse,
    GetEscrowRequest,
    GetEscrowResponse,
)
from escrow.v1.escrow_service_pb2_grpc import (
    EscrowServiceServicer,
    add_EscrowServiceServicer_to_server,
)
from service.domain.errors import DatabaseUnavailable
from service.rpc import errors

Context = grpc.aio.ServicerContext[Anything, Anything]
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


async def refuse_as_the_service_does(context: Context) -> None:
    await errors.abort(context, DatabaseUnavailable())


@dataclass
class Service(EscrowServiceServicer):
    """Behaves call by call as ``behaviours`` say, and then answers."""

    behaviours: list[Behaviour] = field(default_factory=list)
    requests: list[Message] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    seconds_left: list[float] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    target: str = ""

    async def GetEscrow(  # noqa: N802 - the name in the contract
        self, request: GetEscrowRequest, context: Context
    ) -> GetEscrowResponse:
        await self._behave(request, context)
        return GetEscrowResponse()

    async def CreateEscrow(  # noqa: N802 - the name in the contract
        self, request: CreateEscrowRequest, context: Context
    ) -> CreateEscrowResponse:
        await self._behave(request, context)
        return CreateEscrowResponse()

    async def _behave(self, request: Message, context: Context) -> None:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        self.times_s.append(time.monotonic())
        self.seconds_left.append(context.time_remaining())
        self.arrived.set()
        behave = self.behaviours.pop(0) if self.behaviours else answer
        try:
            await behave(context)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@asynccontextmanager
async def serving(
    *addresses: str, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[Service]:
    """A server on these addresses, or on a free port; ``target`` is where it listens first."""
    service = Service()  # type: ignore[abstract]  # only what the tests call
    server = grpc.aio.server()
    add_EscrowServiceServicer_to_server(service, server)
    for address in addresses or ("localhost:0",):
        port = (
            server.add_insecure_port(address)
            if credentials is None
            else server.add_secure_port(address, credentials)
        )
        service.target = service.target or address.replace(":0", f":{port}")
    await server.start()
    try:
        yield service
    finally:
        await server.stop(grace=None)


@pytest_asyncio.fixture
async def service() -> AsyncIterator[Service]:
    async with serving() as service:
        yield service


@pytest_asyncio.fixture
async def client(service: Service) -> AsyncIterator[EscrowClient]:
    async with connect(service.target, tenant="acme", caller="orders", deadline_s=5) as client:
        yield client


async def test_a_call_says_for_whom_it_is_made(client: EscrowClient, service: Service) -> None:
    response = await client.escrows.GetEscrow(REQUEST)
    assert isinstance(response, GetEscrowResponse)
    assert service.requests == [REQUEST]
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


@pytest.mark.parametrize(
    "target",
    [
        "localhost:{port}",
        "127.0.0.1:{port}",
        "ipv4:127.0.0.1:{port},127.0.0.2:{port}",
        "dns:localhost:{port}",
        "dns:///localhost:{port}",
        "unix:{folder}/escrow.socket",
    ],
)
async def test_a_token_may_be_sent_in_plain_text_on_this_machine(
    target: str, tmp_path: Path
) -> None:
    async with serving("localhost:0", f"unix:{tmp_path}/escrow.socket") as service:
        port = service.target.rpartition(":")[2]
        async with connect(
            target.format(port=port, folder=tmp_path), tenant="acme", caller="orders", token="mine"
        ) as client:
            await client.escrows.GetEscrow(REQUEST)
    assert service.metadata[0]["authorization"] == "Bearer mine"


@pytest.mark.parametrize(
    "target",
    [
        "escrow:50051",
        "10.0.0.1:50051",
        "[2001:db8::1]:50051",
        "localhost.example:50051",
        "ipv4:127.0.0.1:50051,10.0.0.1:50051",
        "dns:///escrow:50051",
        "xds:///localhost:50051",
        "dns://10.0.0.1/localhost:50051",
        "0.0.0.0:50051",
        "escrow",
    ],
)
async def test_a_token_leaves_this_machine_encrypted_only(target: str) -> None:
    with pytest.raises(ValueError, match="plain text") as refused:
        async with connect(target, tenant="acme", caller="orders", token="s3cret"):
            pass
    assert "s3cret" not in str(refused.value)


async def test_what_is_in_plain_text_goes_through_no_proxy(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("grpc_proxy", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_grpc_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with connect(service.target, tenant="acme", caller="orders", token="mine") as client:
        await client.escrows.GetEscrow(REQUEST)


# --- TLS ----------------------------------------------------------------------------------------

OURS, THEIRS = trustme.CA(), trustme.CA()


def own_pair(authority: trustme.CA, name: str) -> tuple[bytes, bytes]:
    """A private key and its certificate chain, in PEM."""
    issued = authority.issue_cert(name)
    chain = b"".join(certificate.bytes() for certificate in issued.cert_chain_pems)
    return issued.private_key_pem.bytes(), chain


def trusting(
    authority: trustme.CA, own: tuple[bytes, bytes] | tuple[None, None] = (None, None)
) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(authority.cert_pem.bytes(), *own)


@pytest_asyncio.fixture
async def guarded() -> AsyncIterator[Service]:
    """A service that lets in only who has a certificate of our authority."""
    credentials = grpc.ssl_server_credentials(
        [own_pair(OURS, "localhost")], OURS.cert_pem.bytes(), require_client_auth=True
    )
    async with serving(credentials=credentials) as service:
        yield service


async def failure(target: str, credentials: grpc.ChannelCredentials | None) -> str:
    """What a call that cannot even connect is told."""
    async with connect(target, tenant="acme", caller="orders", credentials=credentials) as client:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await client.escrows.GetEscrow(REQUEST)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason_of(failed.value) == ""
    return failed.value.details() or ""


async def test_a_client_with_a_certificate_is_let_in_and_its_tokens_too(guarded: Service) -> None:
    tokens = iter(["first", "second"])
    async with connect(
        guarded.target,
        tenant="acme",
        caller="orders",
        credentials=trusting(OURS, own_pair(OURS, "orders.internal")),
        token=lambda: next(tokens),
    ) as client:
        await client.escrows.GetEscrow(REQUEST)
        await client.escrows.GetEscrow(REQUEST)
    sent = [metadata["authorization"] for metadata in guarded.metadata]
    assert sent == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize(
    "credentials",
    [trusting(OURS), trusting(OURS, own_pair(THEIRS, "orders.internal")), None],
    ids=["no certificate", "of another authority", "plain text"],
)
async def test_a_client_without_the_right_certificate_is_not_let_in(
    guarded: Service, credentials: grpc.ChannelCredentials | None
) -> None:
    told = await failure(guarded.target, credentials)
    # TLS 1.3 has no word for it: the server closes, and says why in its own log.
    assert "Socket closed" in told or "reset" in told
    assert guarded.requests == []


@pytest.mark.parametrize(
    ("host", "authority", "told"),
    [
        ("127.0.0.1", OURS, "Hostname Verification Check failed"),  # it is made out to localhost
        ("localhost", THEIRS, "CERTIFICATE_VERIFY_FAILED"),
    ],
    ids=["another name", "of another authority"],
)
async def test_a_client_trusts_no_server_with_the_wrong_certificate(
    guarded: Service, host: str, authority: trustme.CA, told: str
) -> None:
    credentials = trusting(authority, own_pair(OURS, "orders.internal"))
    assert told in await failure(guarded.target.replace("localhost", host), credentials)
    assert guarded.requests == []


# --- deadlines and retries ----------------------------------------------------------------------


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


async def test_a_change_is_asked_for_again_under_the_same_request_id(
    client: EscrowClient, service: Service
) -> None:
    service.behaviours = [abort(grpc.StatusCode.UNAVAILABLE)] * 2
    request = CreateEscrowRequest(request_id=new_request_id(), reference="order-1")
    await client.escrows.CreateEscrow(request)
    assert service.requests == [request] * 3


async def test_a_service_that_stays_unavailable_is_asked_four_times(
    client: EscrowClient, service: Service
) -> None:
    service.behaviours = [abort(grpc.StatusCode.UNAVAILABLE)] * 5
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await client.escrows.GetEscrow(REQUEST)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert len(service.requests) == 4


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
    # Even one that says when to come again: BUSY is ABORTED, and the caller decides.
    service.behaviours = [abort(code, ("grpc-retry-pushback-ms", "1"))]
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await client.escrows.GetEscrow(REQUEST)
    assert failed.value.code() is code
    assert len(service.metadata) == 1


@pytest.mark.parametrize(
    ("behave", "pause_s"),
    [
        (abort(grpc.StatusCode.UNAVAILABLE, ("grpc-retry-pushback-ms", "700")), 0.7),
        (refuse_as_the_service_does, 1.0),
    ],
    ids=["0.7 s", "as the service does"],
)
async def test_a_service_says_when_to_be_asked_again(
    client: EscrowClient, service: Service, behave: Behaviour, pause_s: float
) -> None:
    service.behaviours = [behave]
    await client.escrows.GetEscrow(REQUEST)
    first_s, second_s = service.times_s
    assert second_s - first_s > pause_s - 0.01  # the policy's own first pause is about 0.1 s


async def test_a_service_that_refuses_most_calls_is_not_asked_again(
    client: EscrowClient, service: Service
) -> None:
    service.behaviours = [abort(grpc.StatusCode.UNAVAILABLE, ("grpc-retry-pushback-ms", "1"))] * 99
    for _ in range(10):
        with pytest.raises(grpc.aio.AioRpcError):
            await client.escrows.GetEscrow(REQUEST)
    asked = len(service.requests)
    with pytest.raises(grpc.aio.AioRpcError):
        await client.escrows.GetEscrow(REQUEST)
    assert len(service.requests) == asked + 1


async def test_a_call_can_wait_for_a_service_that_is_being_replaced() -> None:
    async with serving() as before:
        target = before.target
    async with connect(target, tenant="acme", caller="orders", deadline_s=20) as client:
        with pytest.raises(grpc.aio.AioRpcError):
            await client.escrows.GetEscrow(REQUEST)
        waiting = asyncio.ensure_future(client.escrows.GetEscrow(REQUEST, wait_for_ready=True))
        async with serving(target) as after:
            await waiting
    assert after.requests == [REQUEST]


async def test_retries_share_one_deadline(service: Service) -> None:
    service.behaviours = [abort(grpc.StatusCode.UNAVAILABLE), hang]
    async with connect(service.target, tenant="acme", caller="orders", deadline_s=1) as client:
        started_s = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await client.escrows.GetEscrow(REQUEST)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0.9 < time.monotonic() - started_s < 4
    assert service.seconds_left[1] < service.seconds_left[0]


async def test_no_retry_comes_after_the_deadline(service: Service) -> None:
    service.behaviours = [abort(grpc.StatusCode.UNAVAILABLE, ("grpc-retry-pushback-ms", "60000"))]
    async with connect(service.target, tenant="acme", caller="orders", deadline_s=0.5) as client:
        started_s = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError):
            await client.escrows.GetEscrow(REQUEST)
    assert time.monotonic() - started_s < 4
    assert len(service.requests) == 1


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
