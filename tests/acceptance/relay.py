"""Stripe's events brought to the gateway, signed, as Stripe would: it cannot reach this machine.

They are read from the event log of the API. It renders them in the account's default version; an
endpoint that is subscribed in ours would get ours. So the object of an event in another version is
fetched in ours, which shows it as it is now.
"""

import json
import time
from typing import Any

import aiohttp
import stripe
from stripe import StripeClient, WebhookSignature

from service.stripe.gateway import API_VERSION
from tests.world import CONNECT_SECRET, PLATFORM_SECRET

PATHS = {
    "account": "accounts",
    "charge": "charges",
    "checkout.session": "checkout/sessions",
    "payment_intent": "payment_intents",
    "payout": "payouts",
    "refund": "refunds",
    "transfer": "transfers",
}


class Relay:
    """Delivers what happens from now on, on the platform and on the accounts that are named."""

    def __init__(self, client: StripeClient, gateway_url: str, http: aiohttp.ClientSession) -> None:
        self.accounts: set[str] = set()
        self._client = client
        self._gateway_url = gateway_url
        self._http = http
        self._since = int(time.time()) - 5  # Stripe's clock and ours may differ
        self._delivered: set[str] = set()

    async def run_once(self) -> None:
        """Delivers what is new; what the gateway does not take is delivered again."""
        for account in ["", *sorted(self.accounts)]:
            options: stripe.RequestOptions = {"stripe_account": account} if account else {}
            page = await self._client.v1.events.list_async(
                {"created": {"gte": self._since}, "limit": 100}, options
            )
            for event in reversed([event.to_dict() async for event in page.auto_paging_iter()]):
                if event["id"] not in self._delivered and await self._deliver(event, account):
                    self._delivered.add(event["id"])

    async def _deliver(self, event: dict[str, Any], account: str) -> bool:
        if account:
            event.setdefault("account", account)
        if event["api_version"] != API_VERSION and not await self._render(event, account):
            return True
        name, secret = ("connect", CONNECT_SECRET) if account else ("platform", PLATFORM_SECRET)
        body = json.dumps(event)
        header = WebhookSignature.generate_signature_header(
            body, secret, timestamp=int(time.time())
        )
        url = f"{self._gateway_url}/stripe/default/{name}"
        async with self._http.post(
            url, data=body.encode(), headers={"Stripe-Signature": header}
        ) as answer:
            return answer.status == 200

    async def _render(self, event: dict[str, Any], account: str) -> bool:
        """The event with its object in our version; False for an object that nobody acts on."""
        path = PATHS.get(event["data"]["object"].get("object", ""))
        if path is None:
            return False
        options: stripe.RequestOptions = {"stripe_account": account} if account else {}
        answer = await self._client.raw_request_async(
            "get", f"/v1/{path}/{event['data']['object']['id']}", **options
        )
        event["data"]["object"] = json.loads(answer.data)
        event["api_version"] = API_VERSION
        return True
