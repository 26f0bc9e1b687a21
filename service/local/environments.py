"""The environment of each process that ``escrow up`` starts."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

from service.local.setup import ENDPOINTS, Setup

SANDBOX_KEY = "sk_test_sandbox"  # the sandbox takes any key; Stripe itself refuses this one
# These would make our processes listen, connect or serve tenants otherwise than planned here.
NOT_INHERITED = (
    "ESCROW_TENANTS_FILE",
    "ESCROW_GRPC_HOST",
    "ESCROW_GATEWAY_HOST",
    "ESCROW_GATEWAY_TOKEN_FILE",
    "ESCROW_DIRECT_DATABASE_URL",
)


def new_webhook_secrets() -> Mapping[str, str]:
    """One for each endpoint, new at every start; only the sandbox and the gateway get them."""
    return {endpoint: f"whsec_{secrets.token_urlsafe(32)}" for endpoint in ENDPOINTS}


def service_environment(setup: Setup, database_url: str) -> dict[str, str]:
    """For ``serve`` and ``work``."""
    environment = _inherited() | {
        **setup.identities.of_service(),
        "ESCROW_DATABASE_URL": database_url,
        "ESCROW_GRPC_PORT": str(setup.grpc_port),
        "ESCROW_REFLECTION": "true",
    }
    if setup.sandbox_url:
        environment |= {
            "STRIPE_SECRET_KEY": SANDBOX_KEY,
            "STRIPE_API_BASE": setup.sandbox_url,
            "STRIPE_RATE_PER_S": "1000",  # the sandbox has no limit
        }
    return environment


def gateway_environment(setup: Setup, webhook_secrets: Mapping[str, str]) -> dict[str, str]:
    """For the gateway."""
    named = {
        f"STRIPE_WEBHOOK_SECRET_{endpoint.upper()}": secret
        for endpoint, secret in webhook_secrets.items()
    }
    return (
        _inherited()
        | named
        | {
            **setup.identities.of_gateway(),
            "ESCROW_GATEWAY_PORT": str(setup.gateway_port),
            "ESCROW_SERVICE_TARGET": setup.target,
        }
    )


def sandbox_environment() -> dict[str, str]:
    """For the sandbox: it takes options only."""
    return _inherited()


def _inherited() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return kept | {"PYTHONUNBUFFERED": "1"}
