"""Whether a server may listen with its settings."""

from __future__ import annotations

from collections.abc import Iterator

from service.config.loading import Config
from service.config.reading import ConfigError


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
    why = "ESCROW_AUTH=development does not check who calls, and does not start"
    instead = "use mtls or jwt"
    if live := sorted(name for name, tenant in config.tenants.items() if tenant.livemode):
        yield f"{why} with a live key ({', '.join(live)}): {instead}"
    if not settings.listens_here_only:
        yield f"{why} where other machines can connect ({settings.grpc_host}): {instead}"
    if settings.environment in ("production", "prod", "live"):
        yield f"{why} with ESCROW_ENVIRONMENT={settings.environment}: {instead}"
