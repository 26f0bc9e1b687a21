"""The client for code without asyncio: Django, Celery, scripts.

    escrow = connect_sync("localhost:50051", tenant="default", caller="orders")

    escrow.acting("payer").escrows.AcceptDelivery(AcceptDeliveryRequest(...))

Make one client where your settings are, and use it from every thread and every process. It connects
with the first call of a process, so that workers which are forked (gunicorn, Celery) each have a
connection of their own. gRPC itself does not survive a fork of a process that has called already:
call nothing before the fork, or set GRPC_ENABLE_FORK_SUPPORT=1 in the parent's environment.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

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
from escrow.credentials import Renewed, TlsFiles
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

__all__ = ["SyncEscrowClient", "connect_sync"]

Request = TypeVar("Request")
Response = TypeVar("Response")
Metadata = Iterable[tuple[str, str | bytes]]


class _Channels:
    """A channel for each process: opened by its first call, and never that of its parent."""

    def __init__(self, open_channel: Callable[[], grpc.Channel | Renewed[grpc.Channel]]) -> None:
        self._open = open_channel
        self._by_process: dict[int, grpc.Channel | Renewed[grpc.Channel]] = {}

    def get(self) -> grpc.Channel:
        process = os.getpid()
        channel = self._by_process.get(process)
        if channel is None:
            # No lock, for a fork may copy one that is held: of two threads the first one wins.
            made = self._open()
            channel = self._by_process.setdefault(process, made)
            if channel is not made:
                _current(made).close()
        return _current(channel)

    def close(self) -> None:
        channel = self._by_process.pop(os.getpid(), None)
        if channel is not None:
            _current(channel).close()


def _current(channel: grpc.Channel | Renewed[grpc.Channel]) -> grpc.Channel:
    return channel.get() if isinstance(channel, Renewed) else channel


def _forget(_: grpc.Channel) -> None:
    """A channel that nobody holds ends with its last call."""


class SyncEscrowClient:
    """The service's methods, called as one caller for one tenant; see ``acting`` for the party.

    Safe to share between threads, and with processes that are forked before its first call. A call
    blocks its thread, and raises ``grpc.RpcError``, which ``details_of`` reads.
    """

    def __init__(self, channels: _Channels, identity: Identity, deadline_s: float) -> None:
        self._channels = channels
        self._identity = identity
        self._deadline_s = deadline_s
        self._view = cast("grpc.Channel", _ChannelView(channels, identity, deadline_s))
        self._acting: dict[Party, SyncEscrowClient] = {}

    @cached_property
    def escrows(self) -> EscrowServiceStub:
        return EscrowServiceStub(self._view)

    @cached_property
    def agreements(self) -> AgreementServiceStub:
        return AgreementServiceStub(self._view)

    @cached_property
    def parties(self) -> PartyServiceStub:
        return PartyServiceStub(self._view)

    @cached_property
    def operators(self) -> OperatorServiceStub:
        return OperatorServiceStub(self._view)

    @cached_property
    def policies(self) -> PolicyServiceStub:
        return PolicyServiceStub(self._view)

    @cached_property
    def refunds(self) -> RefundServiceStub:
        return RefundServiceStub(self._view)

    @cached_property
    def approvals(self) -> ApprovalServiceStub:
        return ApprovalServiceStub(self._view)

    @cached_property
    def chargebacks(self) -> ChargebackServiceStub:
        return ChargebackServiceStub(self._view)

    @cached_property
    def feed(self) -> EventServiceStub:
        return EventServiceStub(self._view)

    @cached_property
    def disputes(self) -> DisputeServiceStub:
        return DisputeServiceStub(self._view)

    @cached_property
    def events(self) -> StripeEventServiceStub:
        return StripeEventServiceStub(self._view)

    def acting(self, party: Party) -> "SyncEscrowClient":
        """The same client on behalf of a party of the escrow; it shares the connection."""
        if party not in self._acting:
            identity = self._identity.acting(party)
            self._acting[party] = SyncEscrowClient(self._channels, identity, self._deadline_s)
        return self._acting[party]

    def close(self) -> None:
        """Closes this process's connection; the next call opens another."""
        self._channels.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def connect_sync(
    target: str,
    *,
    tenant: str,
    caller: str,
    deadline_s: float = 10.0,
    credentials: Credentials | None = None,
    token: Token | None = None,
) -> SyncEscrowClient:
    """Makes a client; its arguments are those of ``connect``. ``token`` may be asked for in any
    thread.

    Raises:
        ValueError: the token would leave this machine in plain text; or CredentialsUnusable.
    """
    check_secrecy(target, credentials, token)
    if isinstance(credentials, TlsFiles):
        credentials.read()  # what is wrong with them is told here, and not by the first call

    def open_channel() -> grpc.Channel | Renewed[grpc.Channel]:
        if isinstance(credentials, TlsFiles):
            return Renewed(
                credentials,
                lambda given: grpc.secure_channel(target, given, CHANNEL_OPTIONS),
                _forget,
            )
        if credentials is not None:
            return grpc.secure_channel(target, credentials, CHANNEL_OPTIONS)
        return grpc.insecure_channel(target, PLAIN_TEXT_OPTIONS)

    return SyncEscrowClient(_Channels(open_channel), identity_of(tenant, caller, token), deadline_s)


class _Method(Generic[Request, Response]):
    """One method, as the generated stubs call it: adds who calls, and a deadline."""

    def __init__(
        self,
        invoke: Callable[[], "grpc.UnaryUnaryMultiCallable[Request, Response]"],
        identity: Identity,
        deadline_s: float,
    ) -> None:
        self._invoke = invoke
        self._identity = identity
        self._deadline_s = deadline_s

    def __call__(self, request: Request, *given: Any, **named: Any) -> Response:  # noqa: ANN401  the stubs type them
        """The response."""
        return self._invoke()(request, **self._arguments(*given, **named))

    def with_call(self, request: Request, *given: Any, **named: Any) -> tuple[Response, grpc.Call]:  # noqa: ANN401
        """The response, and the call with its metadata."""
        return self._invoke().with_call(request, **self._arguments(*given, **named))

    def future(self, request: Request, *given: Any, **named: Any) -> "grpc.Future[Response]":  # noqa: ANN401
        """Begins the call, and goes on."""
        return self._invoke().future(request, **self._arguments(*given, **named))

    def _arguments(
        self,
        timeout: float | None = None,
        metadata: Metadata | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
    ) -> dict[str, Any]:
        return {
            "timeout": self._deadline_s if timeout is None else timeout,
            "metadata": (*self._identity.metadata(), *(metadata or ())),
            "credentials": credentials,
            "wait_for_ready": wait_for_ready,
        }


class _ChannelView:
    """What the generated stubs use of a channel."""

    def __init__(self, channels: _Channels, identity: Identity, deadline_s: float) -> None:
        self._channels = channels
        self._identity = identity
        self._deadline_s = deadline_s

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Request], bytes],
        response_deserializer: Callable[[bytes], Response],
        _registered_method: bool = False,
    ) -> _Method[Request, Response]:
        def invoke() -> "grpc.UnaryUnaryMultiCallable[Request, Response]":
            channel = self._channels.get()
            return channel.unary_unary(method, request_serializer, response_deserializer)

        return _Method(invoke, self._identity, self._deadline_s)

    def unary_stream(
        self,
        method: str,
        request_serializer: Callable[[Request], bytes],
        response_deserializer: Callable[[bytes], Response],
        _registered_method: bool = False,
    ) -> "Callable[..., Iterator[Response]]":
        """A stream has no deadline but the one it is given."""

        def begin(
            request: Request,
            timeout: float | None = None,
            metadata: Metadata | None = None,
            credentials: grpc.CallCredentials | None = None,
            wait_for_ready: bool | None = None,
        ) -> Iterator[Response]:
            channel = self._channels.get()
            return channel.unary_stream(method, request_serializer, response_deserializer)(
                request,
                timeout=timeout,
                metadata=(*self._identity.metadata(), *(metadata or ())),
                credentials=credentials,
                wait_for_ready=wait_for_ready,
            )

        return begin
