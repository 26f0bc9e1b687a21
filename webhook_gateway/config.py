"""The gateway's settings, from the environment. All that is wrong with them is named at once."""

import os
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from escrow.channels import stays_on_this_machine
from escrow.credentials import TlsFiles
from webhook_gateway.addresses import networks

T = TypeVar("T", bound=BaseSettings)


class ConfigError(Exception):
    """The configuration cannot be used. The message is one line: every problem, no secret."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def problems_of(error: ValidationError) -> list[str]:
    """One "name: what is wrong" for each field, without the values that were given."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        f"{'.'.join(str(part) for part in d['loc'])}: {d['msg'].lower()}" if d["loc"] else d["msg"]
        for d in details
    ]


def usable_secret(secret: SecretStr) -> SecretStr:
    """The secret without white space around it. With an empty one, anyone could sign."""
    stripped = secret.get_secret_value().strip()
    if not stripped:
        raise PydanticCustomError("secret_empty", "the secret is empty")
    if not (stripped.isascii() and stripped.isprintable()):  # two lines in a file, say
        raise PydanticCustomError("secret_malformed", "the secret is not one line of ASCII")
    return SecretStr(stripped)


Secret = Annotated[SecretStr, AfterValidator(usable_secret)]


class Settings(BaseSettings):
    """How the gateway listens, whom it calls and how long it waits. Times are in seconds."""

    model_config = SettingsConfigDict(
        populate_by_name=True,  # the command line's --host and --port
        env_ignore_empty=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,  # for the table of `make docs`
    )

    host: str = Field(default="127.0.0.1", validation_alias="ESCROW_GATEWAY_HOST", min_length=1)
    """The address to listen on."""
    port: int = Field(default=8080, validation_alias="ESCROW_GATEWAY_PORT", ge=0, le=65535)
    """The port to listen on; 0 takes any free one."""
    service_target: str = Field(
        default="localhost:50051", validation_alias="ESCROW_SERVICE_TARGET", min_length=1
    )
    """Where the service is: host and port."""
    service_ca_file: Path | None = Field(default=None, validation_alias="ESCROW_SERVICE_CA_FILE")
    """Whose certificate is accepted of the service (PEM); with it the gateway connects by TLS. This
    file and the next three are read again while it runs."""
    certificate_file: Path | None = Field(
        default=None, validation_alias="ESCROW_GATEWAY_CERTIFICATE_FILE"
    )
    """The gateway's own certificate (PEM), which proves who it is with `ESCROW_AUTH=mtls`."""
    key_file: Path | None = Field(default=None, validation_alias="ESCROW_GATEWAY_KEY_FILE")
    """Its key (PEM)."""
    token_file: Path | None = Field(default=None, validation_alias="ESCROW_GATEWAY_TOKEN_FILE")
    """A bearer token, which proves who it is with `ESCROW_AUTH=jwt`."""
    plain_text: bool = Field(default=False, validation_alias="ESCROW_PLAIN_TEXT")
    """Lets the token go without TLS to another machine: a mesh encrypts what leaves this one."""
    deadline_s: float = Field(default=8, validation_alias="ESCROW_GATEWAY_DEADLINE_S", gt=0, le=60)
    """For a delivery. Stripe waits about ten seconds for an answer; ours must come before that."""
    body_timeout_s: float = Field(
        default=5, validation_alias="ESCROW_GATEWAY_BODY_TIMEOUT_S", gt=0, le=60
    )
    """For the body of a delivery to arrive."""
    header_timeout_s: float = Field(
        default=10, validation_alias="ESCROW_GATEWAY_HEADER_TIMEOUT_S", gt=0, le=600
    )
    """For the first request of a connection to begin."""
    idle_timeout_s: float = Field(
        default=75, validation_alias="ESCROW_GATEWAY_IDLE_TIMEOUT_S", gt=0, le=3600
    )
    """How long a connection is kept for its next request: longer than a proxy in front keeps its
    own (nginx and AWS: 60), so that none sends while it is closed."""
    max_connections: int = Field(
        default=1000, validation_alias="ESCROW_GATEWAY_MAX_CONNECTIONS", gt=0, le=100_000
    )
    """How many connections there are at most, if its descriptors allow as many. The one that has
    waited longest makes room."""
    drain_s: float = Field(default=15, validation_alias="ESCROW_GATEWAY_DRAIN_S", gt=0, le=600)
    """How long deliveries may still take when the gateway stops."""
    tolerance_s: int = Field(
        default=300, validation_alias="STRIPE_WEBHOOK_TOLERANCE_S", gt=0, le=3600
    )
    """How old a signature may be."""
    tenants_poll_s: float = Field(
        default=5, validation_alias="ESCROW_TENANTS_POLL_S", gt=0, le=3600
    )
    """How often the tenants file is looked at: rotated secrets are taken without a restart."""
    allowed_addresses: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(
        default=[], validation_alias="ESCROW_GATEWAY_ALLOWED_ADDRESSES"
    )
    """Whose deliveries are looked at, separated by commas: Stripe's addresses, of
    https://stripe.com/files/ips/ips_webhooks.txt. Not set: from any address; each is signed."""
    trusted_proxies: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(
        default=[], validation_alias="ESCROW_GATEWAY_TRUSTED_PROXIES"
    )
    """Addresses of the proxies before the gateway, whose X-Forwarded-For is believed for the list
    of allowed addresses."""
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", validation_alias="ESCROW_LOG_LEVEL"
    )
    """What is less grave is not logged."""

    @field_validator("allowed_addresses", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        return networks(given)

    @model_validator(mode="after")
    def _proves_who_it_is(self) -> Self:
        if (self.certificate_file is None) is not (self.key_file is None):
            raise _problem(
                "ESCROW_GATEWAY_CERTIFICATE_FILE and ESCROW_GATEWAY_KEY_FILE: set both or neither"
            )
        if self.service_ca_file is None and self.certificate_file is not None:
            raise _problem("ESCROW_SERVICE_CA_FILE: is required with a certificate")
        encrypted = self.service_ca_file is not None or self.plain_text
        if self.token_file and not encrypted and not stays_on_this_machine(self.service_target):
            raise _problem(
                "ESCROW_SERVICE_CA_FILE: the token would be sent in plain text. Set it, or"
                " ESCROW_PLAIN_TEXT=true where a mesh encrypts what leaves this machine"
            )
        return self

    @property
    def tls_files(self) -> TlsFiles | None:
        """What TLS needs; None for plain text."""
        if self.service_ca_file is None:
            return None
        return TlsFiles(self.service_ca_file, self.certificate_file, self.key_file)


def _problem(message: str) -> PydanticCustomError:
    return PydanticCustomError("identity", message)


class DefaultTenantSecrets(BaseSettings):
    """The webhook secrets of the one tenant ``default``, for when there is no tenants file.

    The previous secret stays valid while Stripe's endpoint is rolled to the current one.
    """

    model_config = SettingsConfigDict(hide_input_in_errors=True, use_attribute_docstrings=True)

    platform: Secret = Field(validation_alias="STRIPE_WEBHOOK_SECRET_PLATFORM")
    """The signing secret, ``whsec_...``, of the endpoint for the account's own events."""
    platform_previous: Secret | None = Field(
        default=None, validation_alias="STRIPE_WEBHOOK_SECRET_PLATFORM_PREVIOUS"
    )
    """The one before, while it is rolled."""
    connect: Secret = Field(validation_alias="STRIPE_WEBHOOK_SECRET_CONNECT")
    """The signing secret of the endpoint for events of connected accounts."""
    connect_previous: Secret | None = Field(
        default=None, validation_alias="STRIPE_WEBHOOK_SECRET_CONNECT_PREVIOUS"
    )
    """The one before, while it is rolled."""


TenantsSource = DefaultTenantSecrets | Path


def load_settings(
    host: str | None = None, port: int | None = None
) -> tuple[Settings, TenantsSource]:
    """The settings, and where the tenants come from: ESCROW_TENANTS_FILE wins over the one tenant.

    The arguments, from the command line, win over the environment.
    """
    given = {"host": host, "port": port}
    settings, problems = _read(
        Settings, **{name: value for name, value in given.items() if value is not None}
    )
    source: TenantsSource | None
    if tenants_file := os.environ.get("ESCROW_TENANTS_FILE"):
        source = Path(tenants_file)
    else:
        source, more = _read(DefaultTenantSecrets)
        problems += more
    if settings is None or source is None:
        raise ConfigError(problems)
    return settings, source


def _read(model: type[T], **given: Any) -> tuple[T | None, list[str]]:  # noqa: ANN401 - the model checks them
    try:
        return model(**given), []
    except ValidationError as error:
        return None, problems_of(error)
