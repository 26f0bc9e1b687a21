"""Every environment variable as a document, from the settings' own definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from service import config
from service.cli.docs_tables import markdown_document, markdown_table
from service.cli.service_access import ServiceAccess
from webhook_gateway import config as gateway
from webhook_gateway.tenants_file import TenantEntry as TenantSecrets

HEAD = ("variable", "default", "what it is")
TENANTS_FILE = """\
```json
{"tenants": {"acme": {
  "stripe_secret_key": {"file": "acme/stripe-key"},
  "webhook_secrets": {
    "platform": {"current": {"file": "acme/platform-new"}, "previous": {"file": "acme/platform"}},
    "connect": {"current": {"file": "acme/connect"}}
  }
}}}
```"""
OPENTELEMETRY = {
    "OTEL_SERVICE_NAME": ("by program", "The name in traces and metrics."),
    "OTEL_SDK_DISABLED": ("`false`", "`true` switches traces and metrics off."),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("", "The collector; also `_TRACES_` and `_METRICS_` alone."),
    "OTEL_EXPORTER_OTLP_PROTOCOL": ("`grpc`", "No other is taken."),
    "OTEL_TRACES_EXPORTER": ("`otlp` with a collector", "`otlp` or `none`."),
    "OTEL_METRICS_EXPORTER": ("`otlp` with a collector", "`otlp`, `prometheus` or `none`."),
    "OTEL_EXPORTER_PROMETHEUS_HOST": ("`localhost`", "Where metrics are served."),
    "OTEL_EXPORTER_PROMETHEUS_PORT": ("`9464`", "Likewise."),
    "OTEL_TRACES_SAMPLER": ("`parentbased_always_on`", "OpenTelemetry's own, with `_ARG`."),
}
COMMAND_LINE = {
    "ESCROW_OPERATOR": (
        "the login's name",
        "Who changes something; `escrow --as NAME` wins over it. A token says it by itself.",
    ),
}
LOCAL = {
    "ESCROW_DATABASE_URL": ("", "`make run`: this PostgreSQL instead of the embedded one."),
    "STRIPE_SECRET_KEY": (
        "",
        "`make run`, `make acceptance`: your Stripe test account instead of the sandbox.",
    ),
    "ESCROW_PG_BIN": ("", "The folder of PostgreSQL's programs, for the embedded one."),
    "ESCROW_TEST_DATABASE_URL": ("", "`make test`: the server that gets the tests' databases."),
}


def settings() -> str:
    """All of them, by program."""
    return markdown_document(
        "Environment variables",
        "service/config/ and webhook_gateway/",
        "What is missing or malformed is named at start, all of it. An empty variable is one that"
        " is not set. What ends in `_S` is in seconds.",
        "## Service and worker",
        _table(config.Settings),
        "## Gateway",
        _table(gateway.Settings),
        "## The tenants",
        "`ESCROW_TENANTS_FILE` names a file for service, worker and gateway alike; a secret stands"
        " in it, or in a file of its own beside it:",
        TENANTS_FILE,
        _table(config.TenantEntry, "key of a tenant"),
        _table(TenantSecrets, "for the gateway"),
        "Without the file there is one tenant, `default`:",
        _table(config.DefaultTenant),
        _table(gateway.DefaultTenantSecrets, "for the gateway"),
        "## Telemetry, in all three programs",
        "OpenTelemetry's own; docs/operations.md says what they are for.",
        _table_of(OPENTELEMETRY),
        "## The command line",
        "Commands that change something call the service, and need these. Those that read go to"
        " the database, and need the service's own.",
        _table(ServiceAccess),
        _table_of(COMMAND_LINE),
        "## On one machine",
        _table_of(LOCAL),
    )


def _table_of(variables: Mapping[str, tuple[str, str]]) -> str:
    return markdown_table(HEAD, ((f"`{name}`", *says) for name, says in variables.items()))


def _table(model: type[BaseModel], of: str = HEAD[0]) -> str:
    return markdown_table((of, *HEAD[1:]), _rows(model))


def _rows(model: type[BaseModel]) -> Iterator[Sequence[str]]:
    for name, field in model.model_fields.items():
        variable = field.validation_alias or name
        if issubclass(model, BaseSettings) and not field.validation_alias:
            variable = f"{model.model_config.get('env_prefix', '')}{name}".upper()
        says = " ".join((field.description or "").replace("``", "`").split())
        yield f"`{variable}`", _default(field), " ".join(filter(None, [says, _values(field)]))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value == []:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else f'{value}'}`"


def _values(field: FieldInfo) -> str:
    """What it may be, where the type says so."""
    if get_origin(field.annotation) is Literal:
        return f"One of: {', '.join(f'`{value}`' for value in get_args(field.annotation))}."
    if field.annotation is bool:
        return "`true` or `false`."
    bounds = [_BOUNDS[type(each)](each) for each in field.metadata if type(each) in _BOUNDS]
    return f"{' and '.join(bounds).capitalize()}." if bounds else ""


_BOUNDS: Mapping[type, Any] = {
    annotated_types.Ge: lambda bound: f"at least {bound.ge:,}",
    annotated_types.Gt: lambda bound: f"above {bound.gt:,}",
    annotated_types.Le: lambda bound: f"at most {bound.le:,}",
}
