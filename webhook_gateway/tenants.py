"""Which webhook endpoints there are and with which secrets Stripe signs for them."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import structlog

from webhook_gateway.config import ConfigError, DefaultTenantSecrets, Secret, TenantsSource
from webhook_gateway.tenants_file import Endpoint, Secrets, Stamp, read_tenants, stamp

log = structlog.get_logger(__name__)


class Tenants:
    """The secrets of every tenant's endpoints. A new file replaces all of them at once, or none."""

    def __init__(
        self, secrets: Mapping[tuple[str, str], Secrets], file: Path | None = None
    ) -> None:
        self._secrets = secrets
        self._file = file
        self._stamps: Mapping[Path, Stamp] = {}

    @classmethod
    def load(cls, source: TenantsSource) -> Self:
        """The tenants of either source; raises ConfigError."""
        if isinstance(source, DefaultTenantSecrets):
            return cls.from_environment(source)
        return cls.from_file(source)

    @classmethod
    def from_environment(cls, default: DefaultTenantSecrets) -> Self:
        """The one tenant ``default``."""
        return cls(
            {
                ("default", Endpoint.PLATFORM): _revealed(
                    default.platform, default.platform_previous
                ),
                ("default", Endpoint.CONNECT): _revealed(default.connect, default.connect_previous),
            }
        )

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """The tenants of a tenants file; raises ConfigError with all that is wrong with it."""
        tenants = cls({}, file)
        tenants._load(file)
        return tenants

    def secrets_of(self, tenant: str, endpoint: str) -> Secrets | None:
        """The current secret and perhaps the previous one; None if there is no such endpoint."""
        return self._secrets.get((tenant, endpoint))

    async def watch(self, poll_s: float) -> None:
        """Loads the file again when it, or a secret that it names, has changed; until cancelled."""
        while self._file is not None:
            await asyncio.sleep(poll_s)
            await asyncio.to_thread(self.reload_if_changed)

    def reload_if_changed(self) -> bool:
        """Whether new tenants were loaded. A file of no use is logged once and changes nothing."""
        unchanged = all(stamp(file) == seen for file, seen in self._stamps.items())
        if self._file is None or unchanged:
            return False
        try:
            self._load(self._file)
        except ConfigError as error:
            log.error("tenants_file_refused", problems=error.problems)  # noqa: TRY400 - no bug, no trace
            return False
        log.info("tenants_file_loaded", tenants=sorted({tenant for tenant, _ in self._secrets}))
        return True

    def _load(self, file: Path) -> None:
        reading = read_tenants(file)
        self._stamps = reading.stamps
        if reading.problems:
            raise ConfigError(f"ESCROW_TENANTS_FILE: {problem}" for problem in reading.problems)
        self._secrets = reading.secrets


def _revealed(current: Secret, previous: Secret | None) -> Secrets:
    present = [current] if previous is None else [current, previous]
    return tuple(secret.get_secret_value() for secret in present)
