"""What Stripe converts currencies at, as of some minutes ago."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal

import structlog

from service.domain.errors import StripeRefused, StripeUnavailable
from service.stripe.objects.exchange_rate import parse_exchange_rates
from service.stripe.objects.values import Object, Unreadable

log = structlog.get_logger()

KEPT_S = 300.0
TRIED_AGAIN_S = 30.0  # after Stripe did not say
PATIENCE_S = 2.0  # a quote is no reason to keep a caller waiting


class ExchangeRates:
    """The rates of one tenant's Stripe, fetched when they are asked for."""

    def __init__(self, fetch: Callable[[str], Awaitable[Object]]) -> None:
        self._fetch = fetch
        self._turn = asyncio.Lock()
        self._known: dict[str, tuple[float, dict[str, Decimal]]] = {}  # until, what one unit is

    async def rate(self, source: str, target: str) -> Decimal | None:
        """What one whole unit of a currency comes to in another; None where Stripe does not say."""
        async with self._turn:  # who comes meanwhile finds what the first has fetched
            until, rates = self._known.get(source, (0.0, {}))
            if time.monotonic() >= until:
                rates = await self._ask(source)
                kept_s = KEPT_S if rates else TRIED_AGAIN_S
                self._known[source] = time.monotonic() + kept_s, rates
        return rates.get(target)

    async def _ask(self, source: str) -> dict[str, Decimal]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return parse_exchange_rates(await self._fetch(source))
        except (StripeRefused, StripeUnavailable, Unreadable, TimeoutError) as problem:
            log.warning("no exchange rate for a quote", currency=source, problem=str(problem))
            return {}
