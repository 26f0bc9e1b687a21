"""How the gateway reaches the service, and proves who it is: a certificate, a token, or both.

Both are files, which may be replaced while it runs. Events that are under way then end on the
connection that they began on.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from escrow.credentials import Renewed, Retired, TlsFiles, TokenFile
from escrow.v1.stripe_event_service_pb2_grpc import StripeEventServiceStub

if TYPE_CHECKING:
    from escrow.v1.stripe_event_service_pb2_grpc import StripeEventServiceAsyncStub

Options = tuple[tuple[str, Any], ...]
# A proxy from the environment (http_proxy) would read what is sent in plain text.
PLAIN_TEXT = (("grpc.enable_http_proxy", 0),)


class Link(NamedTuple):
    """A channel, and what is called on it."""

    channel: grpc.aio.Channel
    events: "StripeEventServiceAsyncStub"
    check_health: Callable[..., Any]


def _link(channel: grpc.aio.Channel) -> Link:
    # Spelled out, because the published types of HealthStub lack its methods.
    check_health = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=HealthCheckRequest.SerializeToString,
        response_deserializer=HealthCheckResponse.FromString,
    )
    return Link(channel, StripeEventServiceStub(channel), check_health)


class ServiceAccess:
    """The link to the service. Belongs to the event loop it was made in.

    ``grace_s``: how long calls may still take on a link whose certificates were replaced.

    Raises:
        CredentialsUnusable.
    """

    def __init__(
        self,
        target: str,
        options: Options,
        tls: TlsFiles | None,
        token_file: Path | None,
        grace_s: float,
    ) -> None:
        self._retired = Retired(grace_s)
        self._token = TokenFile(token_file) if token_file else None
        if tls is None:
            plain = _link(grpc.aio.insecure_channel(target, options=(*options, *PLAIN_TEXT)))
            self._get: Callable[[], Link] = lambda: plain
        else:
            self._get = Renewed(
                tls,
                lambda credentials: _link(grpc.aio.secure_channel(target, credentials, options)),
                lambda link: self._retired.add(link.channel),
            ).get

    def link(self) -> Link:
        """The link for a call that begins now."""
        return self._get()

    def metadata(self) -> Mapping[str, str]:
        """What proves who calls, beside the certificate."""
        return {} if self._token is None else {"authorization": f"Bearer {self._token()}"}

    async def close(self) -> None:
        """Cancels the calls that are still open."""
        await self._get().channel.close()
        await self._retired.close()
