"""How the service listens, where its database is, and how long it waits."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.config.files import BucketUrl, Endpoint, ScannerUrl

PREFIX = "ESCROW_"


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
    rate_limit_per_end_user_per_s: float = Field(default=50, ge=0, le=1_000_000)
    """How many of these calls may be for one end user, of callers that act for some. 0: any number.
    """
    streams_per_caller: int = Field(default=100, ge=1, le=100_000)
    """How many streams (WatchEscrow, WatchEvents) each caller may have open for a tenant, in each
    process. Of a caller that acts for end users: each end user."""
    streams: int = Field(default=2000, ge=1, le=100_000)
    """How many streams each process serves."""
    stream_patience_s: float = Field(default=15, gt=0, le=600)
    """A stream ends when its reader has not taken a message for so long."""
    tenants_poll_s: float = Field(default=5, gt=0, le=3600)
    """How often the tenants file and the secrets that it names are read again."""
    reflection: bool = False
    """Lets tools such as ``buf curl`` ask for the contract."""

    files_bucket: BucketUrl | None = None
    """``s3://bucket/prefix``: files that people bring are kept in this S3-compatible bucket. Not
    set: in the database. The login is AWS's own: ``AWS_ACCESS_KEY_ID`` and
    ``AWS_SECRET_ACCESS_KEY``, or the identity of the pod or machine."""
    files_endpoint: Endpoint | None = None
    """Of another S3 than Amazon's: ``https://minio.files:9000``."""
    files_region: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,63}$")
    """The bucket's region."""
    files_scanner: ScannerUrl | None = None
    """``clamd://host:3310``: this virus scanner looks into every file before it is taken, and none
    is taken while it does not answer. Not set: files are not scanned."""

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

    @model_validator(mode="after")
    def _has_a_bucket(self) -> Self:
        if (self.files_endpoint or self.files_region) and not self.files_bucket:
            raise ValueError(
                "ESCROW_FILES_ENDPOINT and ESCROW_FILES_REGION are of a bucket: set"
                " ESCROW_FILES_BUCKET, or unset them"
            )
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
