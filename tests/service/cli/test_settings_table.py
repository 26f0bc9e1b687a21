"""The table of environment variables has all of them, each with a sentence."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from service import config
from service.cli.service_access import ServiceAccess
from service.cli.settings_table import settings
from webhook_gateway import config as gateway
from webhook_gateway.tenants_file import TenantEntry

ROOT = Path(__file__).parents[3]
MODELS: list[type[BaseModel]] = [
    config.Settings,
    config.DefaultTenant,
    config.TenantEntry,
    ServiceAccess,
    gateway.Settings,
    gateway.DefaultTenantSecrets,
    TenantEntry,
]
READ = re.compile(r"""environ(?:\.get\(|\[)f?["']([A-Z_]{4,})["']""")
NOT_SETTINGS = {"PATH", "GRPC_ENABLE_FORK_SUPPORT", "SUDO_USER"}  # the last is set by sudo


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.__module__}.{model.__name__}")
def test_every_setting_says_what_it_is(model: type[BaseModel]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_every_variable_that_is_read_is_there() -> None:
    sources = [
        file for room in ("service", "webhook_gateway") for file in (ROOT / room).rglob("*.py")
    ]
    read = {name for file in sources for name in READ.findall(file.read_text())}

    assert {"ESCROW_TENANTS_FILE", "ESCROW_PG_BIN", "OTEL_SERVICE_NAME"} <= read
    told = settings()
    assert [name for name in sorted(read - NOT_SETTINGS) if f"`{name}`" not in told] == []


@pytest.mark.parametrize(
    "row",
    [
        "| `ESCROW_AUTH` | required |",
        "opens at most. At least 1 and at most 1,000. |",
        "| `ESCROW_GATEWAY_PORT` | `8080` |",
        "| `STRIPE_WEBHOOK_SECRET_CONNECT` | required |",
        "| `STRIPE_CONVERSION` | `refuse` |",
        "| `stripe_secret_key` | required |",
        "| `ESCROW_OPERATOR_TOKEN_FILE` |  | A bearer token",
    ],
)
def test_a_row(row: str) -> None:
    assert row in settings()
