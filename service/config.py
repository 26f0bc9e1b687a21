"""The service's settings, from the environment. All that is wrong with them is named at once.

Every variable begins with ESCROW_ and is the field's name in capitals: ESCROW_DATABASE_URL. The
keys for Stripe come from ESCROW_TENANTS_FILE, or, when there is only the one tenant ``default``,
from STRIPE_SECRET_KEY (or STRIPE_SECRET_KEY_FILE) and STRIPE_API_BASE.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.domain.money import CURRENCIES
from service.domain.return_hosts import ReturnHosts, host_pattern
from service.domain.settlement import Settlement

PREFIX = "ESCROW_"
_S = TypeVar("_S", bound=BaseSettings)


class ConfigError(Exception):
    """The configuration cannot be used. The message is one line: every problem, no secret."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class DatabaseRole(StrEnum):
    """What a program may do in the database, from less to more; the migrations say it."""

    READER = "escrow_reader"
    SERVICE = "escrow_service"
    WORKER = "escrow_worker"


class Settings(BaseSettings):
    """How the service listens, where its database is, and how long it waits. Times in seconds."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        hide_input_in_errors=True,
        frozen=True,
        use_attribute_docstrings=True,  # for the table of `make docs`
    )

    auth: Literal["development", "mtls", "jwt"]
    """How callers prove who they are: by a client certificate, which ``mtls`` demands of every
    connection, or by a token. ``development`` believes what they say."""
    auth_file: Path | None = None
    """Who may call, with ``mtls`` and ``jwt``; see service/rpc/identity/document.py."""
    tls_certificate_file: Path | None = None
    """The server's own chain (PEM). TLS files are read again for new connections."""
    tls_key_file: Path | None = None
    """Its key (PEM)."""
    tls_client_ca_file: Path | None = None
    """Whose client certificates are accepted, with ``mtls``."""
    plain_text: bool = False
    """Lets ``jwt`` go without TLS where others connect: a proxy or mesh before us ends it."""
    development_auth_is_not_safe_and_i_want_it: bool = False
    """Lets ``development`` start with a live key, outside loopback or in production."""
    environment: str = Field(default="development", pattern=r"^[a-z0-9][a-z0-9-]{0,29}$")
    """Begins every idempotency key at Stripe, so that two environments never share one."""

    database_url: SecretStr
    """``postgresql://user:password@host/database``, perhaps through a pooler."""
    database_password_file: Path | None = None
    """Instead of a password in the URLs. It is read for every new connection."""
    database_engine: Literal["postgresql", "citus"] = "postgresql"
    """``citus`` where the tables are distributed (``escrow migrate distribute``): loads, commits
    and leases then go tenant by tenant, and plans are made with the tenant known."""
    direct_database_url: SecretStr | None = None
    """Past the pooler, for migrations and LISTEN; the same as database_url when there is none."""
    database_role: str = "auto"
    """What connections work as. "auto": ``escrow_service`` to serve, ``escrow_worker`` to work and
    to sweep, ``escrow_reader`` for commands that only read. "none": the login's own rights."""
    database_pool_min: int = Field(default=2, ge=0, le=1000)
    """Connections that each process keeps open."""
    database_pool_max: int = Field(default=10, ge=1, le=1000)
    """Connections that each process opens at most."""
    database_command_timeout_s: float = Field(default=10, gt=0, le=600)
    """After it a statement is given up, and its call is UNAVAILABLE."""
    pgbouncer: bool = False
    """Set it behind PgBouncer in transaction mode: no prepared statements, no SET ROLE."""

    grpc_host: str = Field(default="127.0.0.1", min_length=1)
    """The address to listen on; 0.0.0.0 or :: for all of them."""
    grpc_port: int = Field(default=50051, ge=0, le=65535)
    """The port to listen on; 0 takes any free one."""
    grpc_default_deadline_s: float = Field(default=30, gt=0, le=600)
    """For calls that bring none."""
    grpc_max_connection_age_s: float = Field(default=300, gt=0)
    """After it a client connects anew, and so finds new pods; calls get a grace to end."""
    health_port: int | None = Field(default=None, ge=1, le=65535)
    """A second port in plain text with nothing but grpc.health.v1, for probes that know no TLS."""
    rate_limit_per_s: float = Field(default=1000, ge=0, le=1_000_000)
    """How many calls of one method each caller may make for a tenant, on average; as many as in two
    seconds at once. 0: any number. It holds in each process."""
    rate_limits_per_s: dict[str, Annotated[float, Field(ge=0, le=1_000_000)]] = {}
    """Of methods that have another: {"GetEscrow": 5000}."""
    tenants_poll_s: float = Field(default=5, gt=0, le=3600)
    """How often the tenants file and the secrets that it names are read again."""
    reflection: bool = False
    """Lets tools such as ``buf curl`` ask for the contract."""

    drain_s: float = Field(default=20, ge=0, le=600)
    """How long calls may still take when the service stops."""
    shutdown_limit_s: float = Field(default=30, gt=0, le=900)
    """After it the process ends, whatever still hangs."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less grave is not logged."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """``auto`` is for people on a terminal, and JSON elsewhere."""

    @field_validator("database_url", "direct_database_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must be a URL: postgresql://user:password@host/database")
        return url

    @model_validator(mode="after")
    def _has_one_password(self) -> Self:
        urls = [
            url.get_secret_value() for url in (self.database_url, self.direct_database_url) if url
        ]
        if self.database_password_file and any(map(_has_password, urls)):
            raise ValueError(
                "ESCROW_DATABASE_PASSWORD_FILE: take the password out of ESCROW_DATABASE_URL and"
                " ESCROW_DIRECT_DATABASE_URL, or unset it"
            )
        return self

    @model_validator(mode="after")
    def _ranges_fit(self) -> Self:
        if self.database_pool_min > self.database_pool_max:
            raise ValueError("ESCROW_DATABASE_POOL_MIN is above ESCROW_DATABASE_POOL_MAX")
        if self.shutdown_limit_s <= self.drain_s:
            raise ValueError("ESCROW_SHUTDOWN_LIMIT_S must be above ESCROW_DRAIN_S")
        return self

    @property
    def listens_here_only(self) -> bool:
        """Whether nobody from another machine can connect."""
        try:
            return ip_address(self.grpc_host).is_loopback
        except ValueError:
            return self.grpc_host == "localhost"

    @property
    def tls(self) -> bool:
        return self.tls_certificate_file is not None

    @property
    def dsn(self) -> str:
        """The database as the service uses it, perhaps through a pooler."""
        return self.database_url.get_secret_value()

    @property
    def direct_dsn(self) -> str:
        """The database itself."""
        return (self.direct_database_url or self.database_url).get_secret_value()

    def session_role(self, program: DatabaseRole) -> str:
        """The role to switch to; empty for none. A pooler would lose it between transactions."""
        if self.pgbouncer or self.database_role == "none":
            return ""
        return program.value if self.database_role == "auto" else self.database_role


def _has_password(url: str) -> bool:
    try:
        return urlsplit(url).password is not None or "password=" in url
    except ValueError:  # whatever is wrong with it, the driver says
        return False


# --- tenants ------------------------------------------------------------------------------------


def _known_currency(code: str) -> str:
    if code.upper() not in CURRENCIES:
        raise ValueError(f"{code} is not a currency that is known here")
    return code.upper()


CurrencyCode = Annotated[str, AfterValidator(_known_currency)]
HostPattern = Annotated[str, AfterValidator(host_pattern)]
Conversion = Literal["refuse", "allow"]
TenantName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
_LIVE_KEY = re.compile(r"(sk|rk)_live_")
_ANY_KEY = re.compile(r"(sk|rk)_(live|test)_[A-Za-z0-9_]+")


class SecretFile(BaseModel):
    """A secret that is mounted as a file of its own, relative to the tenants file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    file: Path


class TenantEntry(BaseModel):
    """One tenant in the file; other keys of it (webhook_secrets) belong to the gateway."""

    model_config = ConfigDict(hide_input_in_errors=True, use_attribute_docstrings=True)

    stripe_secret_key: SecretStr | SecretFile
    """The account's secret key, or the file that holds it."""
    stripe_api_base: HttpUrl | None = None
    """Another address than Stripe's, for the sandbox; a live key is never sent there."""
    stripe_rate_per_s: float = Field(default=20, gt=0, le=10_000)
    """Calls to Stripe that each process makes at most in a second."""
    settlement_currencies: list[CurrencyCode] = []
    """Those with a bank account at Stripe, the account's default currency first: others are
    converted to it. Empty: not set, and nothing is refused."""
    conversion: Conversion = "refuse"
    """What is done about a payment in another currency: ``allow`` lets Stripe convert it."""
    return_hosts: list[HostPattern] = []
    """Where people may be sent back to from Stripe's pages: "shop.example", "shop.example:8443",
    "*.shop.example". Empty: anywhere with a test key, and nowhere with a live one."""


class TenantsDocument(BaseModel):
    """The whole file: {"tenants": {"acme": {"stripe_secret_key": {"file": "acme/key"}}}}."""

    model_config = ConfigDict(hide_input_in_errors=True)

    tenants: dict[TenantName, TenantEntry] = Field(min_length=1)


class DefaultTenant(BaseSettings):
    """Where the one tenant's account is, for when there is no tenants file."""

    model_config = SettingsConfigDict(
        env_prefix="STRIPE_",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    secret_key: SecretStr | None = None
    """The account's secret key, ``sk_...`` or a restricted ``rk_...``."""
    secret_key_file: Path | None = None
    """A file that holds the key; it wins over STRIPE_SECRET_KEY."""
    api_base: HttpUrl | None = None
    """Another address than Stripe's, for the sandbox; a live key is never sent there."""
    rate_per_s: float = Field(default=20, gt=0, le=10_000)
    """Calls to Stripe that each process makes at most in a second."""
    settlement_currencies: Annotated[list[CurrencyCode], NoDecode] = []
    """The currencies that have a bank account there, the account's default one first, separated by
    commas: USD,EUR. Not set: nothing is refused."""
    conversion: Conversion = "refuse"
    """What is done about a payment in another currency: ``allow`` lets Stripe convert it."""
    return_hosts: Annotated[list[HostPattern], NoDecode] = []
    """Separated by commas: shop.example,*.shop.example."""

    @field_validator("settlement_currencies", "return_hosts", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        return [each.strip() for each in given.split(",")] if isinstance(given, str) else given


@dataclass(frozen=True, slots=True)
class Tenant:
    """A marketplace's own Stripe account. ``stripe_api_base`` is None for Stripe itself."""

    stripe_secret_key: str = field(repr=False)
    stripe_api_base: str | None
    stripe_rate_per_s: float
    settlement: Settlement = field(default_factory=Settlement)
    return_patterns: frozenset[str] = frozenset()

    @property
    def return_hosts(self) -> ReturnHosts:
        """Where people may be sent."""
        return ReturnHosts(self.return_patterns, any_host=not self.livemode)

    @property
    def livemode(self) -> bool:
        """Whether its money is real."""
        return _LIVE_KEY.match(self.stripe_secret_key) is not None


# --- reading ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Config:
    """All of it: the settings, and the tenants by name. ``read_tenants`` reads those again, from
    where they came from; None where they came from no file.
    """

    settings: Settings
    tenants: Mapping[str, Tenant]
    read_tenants: Callable[[], Mapping[str, Tenant]] | None = None


def load_config(**given: object) -> Config:
    """Reads the environment; what is given (by the command line) wins over it.

    Raises:
        ConfigError: naming every variable that is missing or malformed.
    """
    settings, problems = _read(Settings, given)
    tenants = _tenants(problems)
    if settings is None or problems:
        raise ConfigError(problems)
    return Config(settings, tenants, load_tenants)


def load_tenants() -> Mapping[str, Tenant]:
    """The tenants as the files say now.

    Raises:
        ConfigError: naming everything that is wrong with them.
    """
    problems: list[str] = []
    tenants = _tenants(problems)
    if problems:
        raise ConfigError(problems)
    return tenants


def _tenants(problems: list[str]) -> dict[str, Tenant]:
    tenants_file = os.environ.get("ESCROW_TENANTS_FILE")
    if tenants_file:
        return _tenants_of_file(Path(tenants_file), problems)
    return _default_tenant(problems)


def check_auth(config: Config) -> None:
    """Whether a server may listen with these settings: what proves who calls is there, and what
    believes everybody is out of reach.

    Raises:
        ConfigError.
    """
    settings, problems = config.settings, []
    if (settings.tls_certificate_file is None) is not (settings.tls_key_file is None):
        problems.append("ESCROW_TLS_CERTIFICATE_FILE and ESCROW_TLS_KEY_FILE: set both or neither")
    if settings.auth == "development":
        problems += _dangers_of_development(config)
    elif settings.auth_file is None:
        problems.append(f"ESCROW_AUTH_FILE: is required with ESCROW_AUTH={settings.auth}")
    if settings.auth == "mtls":
        problems += [
            f"ESCROW_{name.upper()}: is required with ESCROW_AUTH=mtls"
            for name in ("tls_certificate_file", "tls_client_ca_file")
            if getattr(settings, name) is None
        ]
    if settings.health_port is not None and settings.health_port == settings.grpc_port:
        problems.append("ESCROW_HEALTH_PORT: is ESCROW_GRPC_PORT; choose another")
    if settings.auth == "jwt" and not (
        settings.tls or settings.plain_text or settings.listens_here_only
    ):
        problems.append(
            "ESCROW_TLS_CERTIFICATE_FILE: tokens would be sent in plain text. Set it, or"
            " ESCROW_PLAIN_TEXT=true where a proxy or mesh before the service ends TLS"
        )
    if problems:
        raise ConfigError(problems)


def _dangers_of_development(config: Config) -> Iterator[str]:
    settings = config.settings
    if settings.development_auth_is_not_safe_and_i_want_it:
        return
    why = "ESCROW_AUTH=development believes whoever calls, and does not start"
    instead = "use mtls or jwt"
    if live := sorted(name for name, tenant in config.tenants.items() if tenant.livemode):
        yield f"{why} with a live key ({', '.join(live)}): {instead}"
    if not settings.listens_here_only:
        yield f"{why} where other machines can connect ({settings.grpc_host}): {instead}"
    if settings.environment in ("production", "prod", "live"):
        yield f"{why} with ESCROW_ENVIRONMENT={settings.environment}: {instead}"


def load_settings(**given: object) -> Settings:
    """As above, for programs that nobody calls and that never call Stripe: migrations, the books.
    They need no ESCROW_AUTH.
    """
    if not (given.get("auth") or os.environ.get(f"{PREFIX}AUTH")):
        given = {**given, "auth": "development"}
    return read_settings(Settings, given)


def read_settings(model: type[_S], given: Mapping[str, Any] = MappingProxyType({})) -> _S:
    """Any settings of the environment; what is given wins over it.

    Raises:
        ConfigError: naming every variable that is missing or malformed.
    """
    settings, problems = _read(model, given)
    if settings is None:
        raise ConfigError(problems)
    return settings


def _read(model: type[_S], given: Mapping[str, Any]) -> tuple[_S | None, list[str]]:
    try:
        return model(**{name: value for name, value in given.items() if value is not None}), []
    except ValidationError as error:
        return None, _problems_of(error, model.model_config.get("env_prefix", ""))


def _problems_of(error: ValidationError, prefix: str) -> list[str]:
    """One "NAME: what is wrong" for each field, without the values that were given."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    problems = []
    for detail in details:
        name = ".".join(str(part) for part in detail["loc"])
        what = "is required" if detail["type"] == "missing" else detail["msg"]
        what = what.removeprefix("Value error, ")
        problems.append(f"{prefix}{name.upper() if prefix else name}: {what}" if name else what)
    return problems


def _tenants_of_file(file: Path, problems: list[str]) -> dict[str, Tenant]:
    text = _text_of(file, "ESCROW_TENANTS_FILE", problems)
    if text is None:
        return {}
    try:
        entries = TenantsDocument.model_validate_json(text).tenants
    except ValidationError as error:
        problems += [f"ESCROW_TENANTS_FILE: {problem}" for problem in _problems_of(error, "")]
        return {}
    tenants = {}
    for name, entry in entries.items():
        where = f"ESCROW_TENANTS_FILE: tenants.{name}.stripe_secret_key"
        given = entry.stripe_secret_key
        if isinstance(given, SecretFile):
            key = _text_of(file.parent / given.file, where, problems)
        else:
            key = given.get_secret_value()
        if key is not None:
            _check_key(key, entry.stripe_api_base, where, problems)
            tenants[name] = _tenant(key, entry, entry.stripe_api_base, entry.stripe_rate_per_s)
    return tenants


def _default_tenant(problems: list[str]) -> dict[str, Tenant]:
    given, more = _read(DefaultTenant, {})
    problems += more
    if given is None:
        return {}
    where, key = "STRIPE_SECRET_KEY", None
    if given.secret_key_file is not None:
        where = "STRIPE_SECRET_KEY_FILE"
        key = _text_of(given.secret_key_file, where, problems)
    elif given.secret_key is not None:
        key = given.secret_key.get_secret_value()
    else:
        problems.append("STRIPE_SECRET_KEY: is required when there is no ESCROW_TENANTS_FILE")
    if key is None:
        return {}
    _check_key(key, given.api_base, where, problems)
    return {"default": _tenant(key, given, given.api_base, given.rate_per_s)}


def _tenant(
    key: str, given: TenantEntry | DefaultTenant, api_base: HttpUrl | None, rate_per_s: float
) -> Tenant:
    base = str(api_base).rstrip("/") if api_base else None
    settlement = Settlement(tuple(given.settlement_currencies), given.conversion == "allow")
    return Tenant(key.strip(), base, rate_per_s, settlement, frozenset(given.return_hosts))


def _check_key(key: str, api_base: HttpUrl | None, where: str, problems: list[str]) -> None:
    if not _ANY_KEY.fullmatch(key.strip()):
        problems.append(f"{where}: must be a secret key of Stripe: sk_..., or a restricted rk_...")
    if api_base is not None and _LIVE_KEY.match(key.strip()):
        problems.append(f"{where}: a live key is sent to nobody but Stripe; unset the API base")


def _text_of(file: Path, where: str, problems: list[str]) -> str | None:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        problems.append(f"{where}: cannot read {file}: {reason}")
        return None
