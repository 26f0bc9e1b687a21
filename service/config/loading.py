"""The whole configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service.config.reading import ConfigError, read, read_settings
from service.config.settings import PREFIX, Settings
from service.config.tenants import Tenant, load_tenants, tenants_of_environment


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
    settings, problems = read(Settings, given)
    tenants = tenants_of_environment(problems)
    if settings is None or problems:
        raise ConfigError(problems)
    return Config(settings, tenants, load_tenants)


def load_settings(**given: object) -> Settings:
    """The settings alone, for programs that serve no calls and never call Stripe: migrations,
    the books. They need no ESCROW_AUTH.
    """
    if not (given.get("auth") or os.environ.get(f"{PREFIX}AUTH")):
        given = {**given, "auth": "development"}
    return read_settings(Settings, given)
