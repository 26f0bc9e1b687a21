"""Connects to the escrow service with typed stubs, a deadline on every call and a safe retry.

    async with connect("localhost:50051", tenant="default", caller="orders") as escrow:
        payer = escrow.acting("payer")
        request = AcceptDeliveryRequest(request_id=new_request_id(), ...)
        try:
            await payer.escrows.AcceptDelivery(request)
        except grpc.aio.AioRpcError as error:
            if reason_of(error) == "WRONG_STATE": ...

Every mutating method takes a request_id: make one per intention with new_request_id(), store it,
and send it again after any failure. The service does the thing once and answers the same.
"""

import ipaddress
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo  # type: ignore[import-untyped]  # no py.typed
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no py.typed

from escrow.v1.escrow_service_pb2_grpc import EscrowServiceStub
from escrow.v1.operator_service_pb2_grpc import OperatorServiceStub
from escrow.v1.party_service_pb2_grpc import PartyServiceStub
from escrow.v1.stripe_event_service_pb2_grpc import StripeEventServiceStub

if TYPE_CHECKING:
    from escrow.v1.escrow_service_pb2_grpc import EscrowServiceAsyncStub
    from escrow.v1.operator_service_pb2_grpc import OperatorServiceAsyncStub
    from escrow.v1.party_service_pb2_grpc import PartyServiceAsyncStub
    from escrow.v1.stripe_event_service_pb2_grpc import StripeEventServiceAsyncStub

__all__ = ["EscrowClient", "Party", "Token", "connect", "new_request_id", "reason_of"]

Party = Literal["payer", "payee", "operator"]
Token = str | Callable[[], str]
Request = TypeVar("Request")
Response = TypeVar("Response")

# Only UNAVAILABLE says that trying again may help; what the request_id guards is not done twice.
# A server that answers with grpc-retry-pushback-ms decides itself when, or that it is enough.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],  # every method
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    # When most calls fail, retries would only add to the load.
    "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.1},
}

CHANNEL_OPTIONS = (
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
# A proxy from the environment (http_proxy) would read what is sent in plain text.
PLAIN_TEXT_OPTIONS = (*CHANNEL_OPTIONS, ("grpc.enable_http_proxy", 0))


class EscrowClient:
    """The service's methods, called as one caller for one tenant; see ``acting`` for the party."""

    escrows: "EscrowServiceAsyncStub"
    parties: "PartyServiceAsyncStub"
    operators: "OperatorServiceAsyncStub"
    events: "StripeEventServiceAsyncStub"

    def __init__(
        self,
        channel: grpc.aio.Channel,
        identity: dict[str, str],
        deadline_s: float,
        token: Token | None = None,
    ) -> None:
        self._channel = channel
        self._identity = identity
        self._deadline_s = deadline_s
        self._token = token
        view = cast("grpc.aio.Channel", _ChannelView(channel, self._metadata, deadline_s))
        self.escrows = EscrowServiceStub(view)
        self.parties = PartyServiceStub(view)
        self.operators = OperatorServiceStub(view)
        self.events = StripeEventServiceStub(view)
        self._acting: dict[Party, EscrowClient] = {}

    def acting(self, party: Party) -> "EscrowClient":
        """The same client on behalf of a party of the escrow; it shares the connection."""
        if party not in self._acting:
            identity = {**self._identity, "escrow-party": party}
            self._acting[party] = EscrowClient(
                self._channel, identity, self._deadline_s, self._token
            )
        return self._acting[party]

    def _metadata(self) -> Iterable[tuple[str, str]]:
        yield from self._identity.items()
        if self._token is not None:
            token = self._token if isinstance(self._token, str) else self._token()
            yield "authorization", f"Bearer {token}"


@asynccontextmanager
async def connect(
    target: str,
    *,
    tenant: str,
    caller: str,
    deadline_s: float = 10.0,
    credentials: grpc.ChannelCredentials | None = None,
    token: Token | None = None,
) -> AsyncIterator[EscrowClient]:
    """Opens a channel and closes it at the end. Connecting itself happens with the first call.

    ``tenant`` is the marketplace, ``caller`` the name of the calling microservice. A call without
    ``timeout=`` has ``deadline_s`` seconds, its retries included. ``credentials`` are those of
    grpc.ssl_channel_credentials(), with a certificate of your own for mTLS; without them the
    channel is plain text, for development or beside a mesh's proxy. ``token`` is a bearer token, or
    a function that is asked for one before each call and answers from memory.

    Raises:
        ValueError: the token would leave this machine in plain text.
    """
    if credentials is not None:
        channel = grpc.aio.secure_channel(target, credentials, CHANNEL_OPTIONS)
    elif token is None or _stays_on_this_machine(target):
        channel = grpc.aio.insecure_channel(target, PLAIN_TEXT_OPTIONS)
    else:
        raise ValueError(f"the token would go to {target} in plain text: connect with credentials")
    identity = {"escrow-tenant": tenant, "escrow-caller": caller}
    async with channel:
        yield EscrowClient(channel, identity, deadline_s, token)


def _stays_on_this_machine(target: str) -> bool:
    """Whether a target of gRPC's naming leads nowhere else; what is not understood may."""
    scheme, _, rest = target.partition(":")
    if scheme in ("unix", "unix-abstract"):
        return True
    addresses = rest.removeprefix("///") if scheme in ("dns", "ipv4", "ipv6") else target
    return all(_is_loopback(address) for address in addresses.split(","))


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0]
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:  # another name
        return False


def new_request_id() -> str:
    """A fresh id for one mutation (AIP-155)."""
    return str(uuid.uuid4())


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Why the service refused, in UPPER_SNAKE_CASE (google.rpc.ErrorInfo), or "" if it is not said.

    It is not said when the answer came from somewhere else: a proxy, or the local channel.
    """
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            return _reason_in(cast("bytes", value))  # by its name's ending
    return ""


def _reason_in(details: bytes) -> str:
    info = ErrorInfo()
    try:
        for detail in Status.FromString(details).details:
            if detail.Unpack(info):
                return str(info.reason)
    except DecodeError:  # not a google.rpc.Status; it gives no reason
        pass
    return ""


class _ChannelView:
    """What the generated stubs use of a channel: adds who calls and a deadline to every call.

    An interceptor would do the same at a higher price: it belongs to the channel and not to the
    caller, and it wraps every call in one more task.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
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
        invoke = self._channel.unary_unary(method, request_serializer, response_deserializer)

        def call(
            request: Request,
            *,
            timeout: float | None = None,
            metadata: Iterable[tuple[str, str | bytes]] = (),
            credentials: grpc.CallCredentials | None = None,
            wait_for_ready: bool | None = None,
        ) -> "grpc.aio.UnaryUnaryCall[Request, Response]":
            return invoke(
                request,
                timeout=self._deadline_s if timeout is None else timeout,
                metadata=grpc.aio.Metadata(*self._metadata(), *metadata),
                credentials=credentials,
                wait_for_ready=wait_for_ready,
            )

        return call
