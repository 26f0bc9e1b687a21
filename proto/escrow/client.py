"""Connects to the escrow service with typed stubs, a deadline on every call and a safe retry.

    async with connect("localhost:50051", tenant="default", caller="orders") as escrow:
        payer = escrow.acting("payer")
        request = AcceptDeliveryRequest(request_id=new_request_id(), ...)
        try:
            await payer.escrows.AcceptDelivery(request)
        except grpc.RpcError as error:
            if details_of(error).reason == "WRONG_STATE": ...

Code without asyncio connects with connect_sync (escrow/sync.py).

Every mutating method takes a request_id: make one per intention with new_request_id(), store it,
and send it again after any failure. The service does the thing once and answers the same.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import grpc

from escrow.channels import (
    CHANNEL_OPTIONS,
    PLAIN_TEXT_OPTIONS,
    Credentials,
    Identity,
    Party,
    Token,
    check_secrecy,
    identity_of,
)
from escrow.credentials import CredentialsUnusable, Renewed, Retired, TlsFiles, TokenFile
from escrow.errors import (
    ErrorDetails,
    FieldViolation,
    PreconditionViolation,
    details_of,
    reason_of,
)
from escrow.sync import SyncEscrowClient, connect_sync
from escrow.tokens import RefreshedToken
from escrow.v1.agreement_service_pb2_grpc import AgreementServiceStub
from escrow.v1.approval_service_pb2_grpc import ApprovalServiceStub
from escrow.v1.chargeback_service_pb2_grpc import ChargebackServiceStub
from escrow.v1.dispute_service_pb2_grpc import DisputeServiceStub
from escrow.v1.escrow_service_pb2_grpc import EscrowServiceStub
from escrow.v1.event_service_pb2_grpc import EventServiceStub
from escrow.v1.operator_service_pb2_grpc import OperatorServiceStub
from escrow.v1.party_service_pb2_grpc import PartyServiceStub
from escrow.v1.policy_service_pb2_grpc import PolicyServiceStub
from escrow.v1.refund_service_pb2_grpc import RefundServiceStub
from escrow.v1.stripe_event_service_pb2_grpc import StripeEventServiceStub

if TYPE_CHECKING:
    from escrow.v1.agreement_service_pb2_grpc import AgreementServiceAsyncStub
    from escrow.v1.approval_service_pb2_grpc import ApprovalServiceAsyncStub
    from escrow.v1.chargeback_service_pb2_grpc import ChargebackServiceAsyncStub
    from escrow.v1.dispute_service_pb2_grpc import DisputeServiceAsyncStub
    from escrow.v1.escrow_service_pb2_grpc import EscrowServiceAsyncStub
    from escrow.v1.event_service_pb2_grpc import EventServiceAsyncStub
    from escrow.v1.operator_service_pb2_grpc import OperatorServiceAsyncStub
    from escrow.v1.party_service_pb2_grpc import PartyServiceAsyncStub
    from escrow.v1.policy_service_pb2_grpc import PolicyServiceAsyncStub
    from escrow.v1.refund_service_pb2_grpc import RefundServiceAsyncStub
    from escrow.v1.stripe_event_service_pb2_grpc import StripeEventServiceAsyncStub

__all__ = [
    "CredentialsUnusable",
    "ErrorDetails",
    "EscrowClient",
    "FieldViolation",
    "Party",
    "PreconditionViolation",
    "RefreshedToken",
    "SyncEscrowClient",
    "TlsFiles",
    "Token",
    "TokenFile",
    "connect",
    "connect_sync",
    "details_of",
    "new_request_id",
    "reason_of",
]

# A call that is under way when certificates are renewed may last as long as this.
LONGEST_CALL_S = 600.0

Request = TypeVar("Request")
Response = TypeVar("Response")
Invoke: TypeAlias = Callable[..., Any]
"""Calls a method."""


class EscrowClient:
    """The service's methods, called as one caller for one tenant; see ``acting`` for the party."""

    def __init__(
        self,
        channel: grpc.aio.Channel | Renewed[grpc.aio.Channel],
        identity: Mapping[str, str],
        deadline_s: float,
        token: Token | None = None,
    ) -> None:
        self._channel = channel
        self._identity = Identity(identity, token)
        self._deadline_s = deadline_s
        get = channel.get if isinstance(channel, Renewed) else lambda: channel
        view = _ChannelView(get, self._identity.metadata, deadline_s)
        self._view = cast("grpc.aio.Channel", view)
        self._acting: dict[Party, EscrowClient] = {}

    @cached_property
    def escrows(self) -> "EscrowServiceAsyncStub":
        return EscrowServiceStub(self._view)

    @cached_property
    def agreements(self) -> "AgreementServiceAsyncStub":
        return AgreementServiceStub(self._view)

    @cached_property
    def parties(self) -> "PartyServiceAsyncStub":
        return PartyServiceStub(self._view)

    @cached_property
    def operators(self) -> "OperatorServiceAsyncStub":
        return OperatorServiceStub(self._view)

    @cached_property
    def policies(self) -> "PolicyServiceAsyncStub":
        return PolicyServiceStub(self._view)

    @cached_property
    def refunds(self) -> "RefundServiceAsyncStub":
        return RefundServiceStub(self._view)

    @cached_property
    def approvals(self) -> "ApprovalServiceAsyncStub":
        return ApprovalServiceStub(self._view)

    @cached_property
    def chargebacks(self) -> "ChargebackServiceAsyncStub":
        return ChargebackServiceStub(self._view)

    @cached_property
    def feed(self) -> "EventServiceAsyncStub":
        return EventServiceStub(self._view)

    @cached_property
    def disputes(self) -> "DisputeServiceAsyncStub":
        return DisputeServiceStub(self._view)

    @cached_property
    def events(self) -> "StripeEventServiceAsyncStub":
        return StripeEventServiceStub(self._view)

    def acting(self, party: Party) -> "EscrowClient":
        """The same client on behalf of a party of the escrow; it shares the connection."""
        if party not in self._acting:
            acting = self._identity.acting(party)
            self._acting[party] = EscrowClient(
                self._channel, acting.keys, self._deadline_s, acting.token
            )
        return self._acting[party]


@asynccontextmanager
async def connect(
    target: str,
    *,
    tenant: str,
    caller: str,
    deadline_s: float = 10.0,
    credentials: Credentials | None = None,
    token: Token | None = None,
) -> AsyncIterator[EscrowClient]:
    """Opens a channel and closes it at the end. Connecting itself happens with the first call.

    ``tenant`` is the marketplace, ``caller`` the name of the calling microservice. A call without
    ``timeout=`` has ``deadline_s`` seconds, its retries included. ``credentials`` are TlsFiles,
    which may be renewed meanwhile, or those of grpc.ssl_channel_credentials(); without them the
    channel is plain text, for development or beside a mesh's proxy. ``token`` is a bearer token, or
    what is asked for one before each call and answers from memory: a TokenFile, a function, or a
    RefreshedToken, which is fetched here for the first time.

    Raises:
        ValueError: the token would leave this machine in plain text; or CredentialsUnusable.
    """
    check_secrecy(target, credentials, token)
    keys = identity_of(tenant, caller, None).keys
    async with _kept(token) as kept, _channel(target, credentials) as channel:
        yield EscrowClient(channel, keys, deadline_s, kept)


@asynccontextmanager
async def _kept(token: Token | None) -> AsyncIterator[Token | None]:
    """Where to read the token, without waiting."""
    if not isinstance(token, RefreshedToken):
        yield token
        return
    await asyncio.to_thread(token)
    keeping = asyncio.create_task(token.keep())
    try:
        yield token.in_memory
    finally:
        keeping.cancel()


@asynccontextmanager
async def _channel(
    target: str, credentials: Credentials | None
) -> AsyncIterator[grpc.aio.Channel | Renewed[grpc.aio.Channel]]:
    if not isinstance(credentials, TlsFiles):
        async with (
            grpc.aio.insecure_channel(target, PLAIN_TEXT_OPTIONS)
            if credentials is None
            else grpc.aio.secure_channel(target, credentials, CHANNEL_OPTIONS)
        ) as channel:
            yield channel
        return
    retired = Retired(LONGEST_CALL_S)
    renewed = Renewed(
        credentials,
        lambda given: grpc.aio.secure_channel(target, given, CHANNEL_OPTIONS),
        retired.add,
    )
    try:
        yield renewed
    finally:
        await renewed.get().close()
        await retired.close()


def new_request_id() -> str:
    """A fresh id for one mutation (AIP-155)."""
    return str(uuid.uuid4())


class _ChannelView:
    """What the generated stubs use of a channel: adds who calls and a deadline to every call.

    An interceptor would do the same at a higher price: it belongs to the channel and not to the
    caller, and it wraps every call in one more task.
    """

    def __init__(
        self,
        channel: Callable[[], grpc.aio.Channel],
        metadata: Callable[[], Iterable[tuple[str, str]]],
        deadline_s: float,
    ) -> None:
        self._channel = channel
        self._metadata = metadata
        self._deadline_s = deadline_s

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Request], bytes],
        response_deserializer: Callable[[bytes], Response],
        _registered_method: bool = False,
    ) -> "Callable[..., grpc.aio.UnaryUnaryCall[Request, Response]]":
        def make(channel: grpc.aio.Channel) -> Invoke:
            return channel.unary_unary(method, request_serializer, response_deserializer)

        return self._method(make, self._deadline_s)

    def unary_stream(
        self,
        method: str,
        request_serializer: Callable[[Request], bytes],
        response_deserializer: Callable[[bytes], Response],
        _registered_method: bool = False,
    ) -> "Callable[..., grpc.aio.UnaryStreamCall[Request, Response]]":
        """A stream has no deadline but the one it is given."""

        def make(channel: grpc.aio.Channel) -> Invoke:
            return channel.unary_stream(method, request_serializer, response_deserializer)

        return self._method(make, None)

    def _method(
        self, make: Callable[[grpc.aio.Channel], Invoke], deadline_s: float | None
    ) -> Invoke:
        used = self._channel()
        invoke = make(used)

        def call(
            request: Any,  # noqa: ANN401  the stubs type it
            *,
            timeout: float | None = None,
            metadata: Iterable[tuple[str, str | bytes]] = (),
            credentials: grpc.CallCredentials | None = None,
            wait_for_ready: bool | None = None,
        ) -> Any:  # noqa: ANN401  likewise
            nonlocal used, invoke
            channel = self._channel()
            if channel is not used:
                used = channel
                invoke = make(channel)
            return invoke(
                request,
                timeout=deadline_s if timeout is None else timeout,
                metadata=grpc.aio.Metadata(*self._metadata(), *metadata),
                credentials=credentials,
                wait_for_ready=wait_for_ready,
            )

        return call
