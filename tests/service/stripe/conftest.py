"""The gateway to a running sandbox."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from service.domain.records.effect import Effect
from service.effects.table import KINDS
from service.stripe.gateway import StripeGateway
from service.stripe.outcomes import Outcome

API_KEY = "sk_test_gateway"


@dataclass(frozen=True)
class Stripe:
    """A running sandbox with the gateway of one tenant, and the test's side of it."""

    url: str
    http: aiohttp.ClientSession
    gateway: StripeGateway

    async def arm(self, path_prefix: str, kind: str, **more: object) -> None:
        """Makes the next matching request go wrong; see stripe_sandbox/faults.py."""
        fault = {"path_prefix": path_prefix, "kind": kind, **more}
        async with self.http.post(f"{self.url}/_sandbox/faults", json=fault) as answer:
            assert answer.status == 200, await answer.text()

    async def send(self, effect: Effect) -> Outcome:
        return await self.gateway.send(effect, KINDS[effect.kind].send)

    async def find(self, effect: Effect) -> Outcome | None:
        return await self.gateway.find(effect, KINDS[effect.kind].find)

    async def disarm(self) -> None:
        async with self.http.delete(f"{self.url}/_sandbox/faults") as answer:
            assert answer.status == 200


@pytest.fixture
async def at_stripe(sandbox_url: str) -> AsyncIterator[Stripe]:
    """Nothing goes wrong there unless the test says so."""
    gateway = StripeGateway(API_KEY, environment="test", api_base=sandbox_url, rate_per_s=1_000)
    async with gateway, aiohttp.ClientSession() as http:
        stripe = Stripe(sandbox_url, http, gateway)
        await stripe.disarm()  # what others have left; they share the sandbox
        yield stripe
