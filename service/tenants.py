"""The tenants that are served now, each with its Stripe: a mapping that changes while it is used.

A tenant that is added is served at once, and a changed key used for the next call. Of one that is
removed nothing is asked or sent any more; what it left in the queues stays there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import NoReturn, Self

import structlog

from service.config import Config, ConfigError, Settings, Tenant
from service.domain.errors import TenantNotConfigured
from service.stripe.gateway import StripeGateway

Check = Callable[[Config], None]
"""Raises ConfigError when this process cannot work with such tenants."""

log = structlog.get_logger()


class TenantGateways(Mapping[str, StripeGateway]):
    """The gateway of every tenant that is configured, by its name.

    Raises:
        TenantNotConfigured: where any other is asked for.
    """

    def __init__(self, config: Config) -> None:
        self._settings = config.settings
        self._tenants: Mapping[str, Tenant] = {}
        self._first = config.tenants
        # Also of tenants that were removed: calls of theirs may be under way.
        self._gateways: dict[str, StripeGateway] = {}
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.use(self._first)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    def __getitem__(self, tenant_id: str) -> StripeGateway:
        if tenant_id not in self._tenants:
            raise TenantNotConfigured(tenant=tenant_id)
        return self._gateways[tenant_id]

    def __contains__(self, tenant_id: object) -> bool:
        return tenant_id in self._tenants

    def __iter__(self) -> Iterator[str]:
        return iter(self._tenants)

    def __len__(self) -> int:
        return len(self._tenants)

    async def use(self, tenants: Mapping[str, Tenant]) -> None:
        """Has these from now on, and no others."""
        for name, tenant in tenants.items():
            if tenant == self._tenants.get(name):
                continue
            gateway = _gateway(tenant, self._settings)
            if name in self._gateways:
                gateway.take_over(self._gateways[name])
            else:
                await self._opened.enter_async_context(gateway)
            self._gateways[name] = gateway
        self._tenants = tenants

    async def follow(
        self, read_tenants: Callable[[], Mapping[str, Tenant]], check: Check
    ) -> NoReturn:
        """Reads the tenants again and again. What cannot be used changes nothing, and is said
        once.
        """
        said = ""
        while True:
            await asyncio.sleep(self._settings.tenants_poll_s)
            try:
                tenants = await asyncio.to_thread(read_tenants)
                if tenants != self._tenants:
                    self._check_modes(tenants)
                    check(Config(self._settings, tenants))
                    await self._change(tenants)
                said = ""
            except ConfigError as problem:
                if str(problem) != said:
                    said = str(problem)
                    log.error("tenants not used", problems=problem.problems)  # noqa: TRY400
            except Exception:  # it is tried again, and what is served goes on
                log.exception("tenants not read")

    async def _change(self, tenants: Mapping[str, Tenant]) -> None:
        before = self._tenants
        await self.use(tenants)
        warn_of_return_hosts(tenants)
        log.info(
            "tenants read again",
            added=sorted(tenants.keys() - before.keys()),
            removed=sorted(before.keys() - tenants.keys()),
            changed=sorted(
                name for name in tenants.keys() & before.keys() if tenants[name] != before[name]
            ),
        )

    def _check_modes(self, tenants: Mapping[str, Tenant]) -> None:
        """Raises ConfigError. A gateway that was opened says more than the tenants of now: one that
        comes back is the same one.
        """
        moved = [
            f"tenants.{name}: its key is of the other mode, so of another account than its books;"
            " give that account a tenant of its own"
            for name, tenant in sorted(tenants.items())
            if name in self._gateways and self._gateways[name].livemode != tenant.livemode
        ]
        if moved:
            raise ConfigError(moved)


def _gateway(tenant: Tenant, settings: Settings) -> StripeGateway:
    return StripeGateway(
        tenant.stripe_secret_key,
        environment=settings.environment,
        api_base=tenant.stripe_api_base,
        livemode=tenant.livemode,
        rate_per_s=tenant.stripe_rate_per_s,
        settlement=tenant.settlement,
        return_hosts=tenant.return_hosts,
    )


def warn_of_return_hosts(tenants: Mapping[str, Tenant]) -> None:
    """Says of whom nobody has said where people may be sent."""
    anywhere = sorted(n for n, tenant in tenants.items() if tenant.return_hosts.is_open)
    nowhere = sorted(n for n, t in tenants.items() if t.livemode and not t.return_patterns)
    if anywhere:
        log.warning("return_hosts is not set: URLs of any host are taken", tenants=anywhere)
    if nowhere:
        log.warning("return_hosts is not set: no return URL is taken", tenants=nowhere)
