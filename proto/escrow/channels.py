"""How both clients connect: who calls, and what every channel is told."""

import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import grpc

from escrow.credentials import TlsFiles

Party = Literal["payer", "payee", "operator"]
Token = str | Callable[[], str]
Credentials = grpc.ChannelCredentials | TlsFiles

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


@dataclass(frozen=True, slots=True)
class Identity:
    """What is said of the caller in every call; ``token`` is one, or is asked for one."""

    keys: Mapping[str, str]
    token: Token | None = None

    def acting(self, party: Party) -> "Identity":
        """The same on behalf of a party of the escrow."""
        return Identity({**self.keys, "escrow-party": party}, self.token)

    def metadata(self) -> Iterator[tuple[str, str]]:
        yield from self.keys.items()
        if self.token is not None:
            token = self.token if isinstance(self.token, str) else self.token()
            yield "authorization", f"Bearer {token}"


def identity_of(tenant: str, caller: str, token: Token | None) -> Identity:
    """Of a marketplace's microservice."""
    return Identity({"escrow-tenant": tenant, "escrow-caller": caller}, token)


def check_secrecy(target: str, credentials: Credentials | None, token: Token | None) -> None:
    """Raises ValueError: the token would leave this machine in plain text."""
    if credentials is None and token is not None and not stays_on_this_machine(target):
        raise ValueError(f"the token would go to {target} in plain text: connect with credentials")


def stays_on_this_machine(target: str) -> bool:
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
