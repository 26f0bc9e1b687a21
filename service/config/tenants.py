"""The tenants: each marketplace with its own account at Stripe, from a file or the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

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
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.config.reading import ConfigError, problems_of, read, text_of
from service.domain.money import CURRENCIES
from service.domain.return_hosts import ReturnHosts, host_pattern
from service.domain.settlement import Settlement


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


def load_tenants() -> Mapping[str, Tenant]:
    """The tenants as the files say now.

    Raises:
        ConfigError: naming everything that is wrong with them.
    """
    problems: list[str] = []
    tenants = tenants_of_environment(problems)
    if problems:
        raise ConfigError(problems)
    return tenants


def tenants_of_environment(problems: list[str]) -> dict[str, Tenant]:
    """Those that can be used; what is wrong with the others is added to the problems."""
    tenants_file = os.environ.get("ESCROW_TENANTS_FILE")
    if tenants_file:
        return _tenants_of_file(Path(tenants_file), problems)
    return _default_tenant(problems)


def _tenants_of_file(file: Path, problems: list[str]) -> dict[str, Tenant]:
    text = text_of(file, "ESCROW_TENANTS_FILE", problems)
    if text is None:
        return {}
    try:
        entries = TenantsDocument.model_validate_json(text).tenants
    except ValidationError as error:
        problems += [f"ESCROW_TENANTS_FILE: {problem}" for problem in problems_of(error, "")]
        return {}
    tenants = {}
    for name, entry in entries.items():
        where = f"ESCROW_TENANTS_FILE: tenants.{name}.stripe_secret_key"
        given = entry.stripe_secret_key
        if isinstance(given, SecretFile):
            key = text_of(file.parent / given.file, where, problems)
        else:
            key = given.get_secret_value()
        if key is not None:
            _check_key(key, entry.stripe_api_base, where, problems)
            tenants[name] = _tenant(key, entry, entry.stripe_api_base, entry.stripe_rate_per_s)
    return tenants


def _default_tenant(problems: list[str]) -> dict[str, Tenant]:
    given, more = read(DefaultTenant, {})
    problems += more
    if given is None:
        return {}
    where, key = "STRIPE_SECRET_KEY", None
    if given.secret_key_file is not None:
        where = "STRIPE_SECRET_KEY_FILE"
        key = text_of(given.secret_key_file, where, problems)
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
        problems.append(f"{where}: a live key is sent to Stripe only; unset the API base")
