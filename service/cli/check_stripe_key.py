"""``escrow check-stripe-key``: whether a tenant's key for Stripe may do all that we do there."""

from __future__ import annotations

import asyncio

import typer
from rich.table import Table

from service.cli.operating import Tenant
from service.cli.printing import AsJson, errors, people, print_json
from service.config import Config, load_config
from service.domain.errors import StripeUnavailable
from service.stripe.permissions import Tried, try_permissions
from service.telemetry import configure_logging
from service.tenants import TenantGateways

_STYLES = {"granted": "green", "missing": "red", "unclear": "yellow"}


def check_stripe_key(tenant: Tenant = "default", *, as_json: AsJson = False) -> None:
    """Asks Stripe about every permission that the service needs, and changes nothing.

    For restricted keys (rk_...). Exits with 1 when one is missing, or could not be told. It needs
    no database.
    """
    config = load_config()
    configure_logging(config.settings.log_level, config.settings.log_format)
    if tenant not in config.tenants:
        raise typer.BadParameter(f"no tenant {tenant!r} is configured", param_hint="--tenant")
    try:
        tried = asyncio.run(_try(config, tenant))
    except StripeUnavailable as problem:
        errors.print(f"cannot tell: {problem.message}", style="red", markup=False)
        raise typer.Exit(1) from problem
    if as_json:
        print_json({"tenant": tenant, "permissions": [_document(each) for each in tried]})
    else:
        people.print(_table(tried))
    if any(each.verdict != "granted" for each in tried):
        raise typer.Exit(1)


async def _try(config: Config, tenant: str) -> list[Tried]:
    one = Config(config.settings, {tenant: config.tenants[tenant]})
    async with TenantGateways(one) as gateways:
        return await try_permissions(gateways[tenant])


def _document(tried: Tried) -> dict[str, str]:
    return {
        "permission": tried.need.permission,
        "verdict": tried.verdict,
        "stripe_names": tried.told,
        "for": tried.need.purpose,
    }


def _table(tried: list[Tried]) -> Table:
    table = Table("permission", "verdict", "Stripe names", "for", box=None, pad_edge=False)
    for each in tried:
        style = _STYLES[each.verdict]
        need = each.need
        table.add_row(need.permission, f"[{style}]{each.verdict}[/]", each.told, need.purpose)
    return table
