"""A person in front of the sandbox's pages, and the sandbox's own controls. All over HTTP."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

import aiohttp

CARD_3DS = "4000 0027 6000 3184"
_ALERT = re.compile(r'role="alert">([^<]*)<')


class PageProblem(Exception):
    """A page, or the sandbox, did not do what the story expects."""


class HostedPages:
    """Opens pages and sends their forms in, as a browser would."""

    def __init__(self, sandbox_url: str, http: aiohttp.ClientSession) -> None:
        self.sandbox_url = sandbox_url
        self._http = http

    @property
    def onboarded_url(self) -> str:
        """Where a payee is sent after the onboarding page."""
        return f"{self.sandbox_url}/connect/onboarded"

    @property
    def paid_url(self) -> str:
        """Where a payer is sent after Checkout: its page says that the payment is complete."""
        return f"{self.sandbox_url}/checkout/{{CHECKOUT_SESSION_ID}}"

    async def onboard(self, link: str, legal_name: str) -> None:
        """A payee answers what Stripe asks, with the test bank account that takes payouts."""
        await self._open(link)
        form = {
            "legal_name": legal_name,
            "routing_number": "110000000",
            "account_number": "000123456789",
        }
        await self._submit(link, form)

    async def check_out(self, page: str, *, name: str, email: str) -> None:
        """A payer pays with a card whose bank asks for 3D Secure, and confirms it there."""
        await self._open(page)
        card = {"number": CARD_3DS, "expiry": "12 / 34", "cvc": "123"}
        bank = await self._submit(page, card | {"name": name, "email": email})
        await self._open(bank)
        await self._submit(bank, {"outcome": "complete"})

    async def pay(self, payment_intent: str) -> None:
        """A payer pays with Stripe.js, in the marketplace's own page: no page is opened here."""
        await self._control(f"payment_intents/{payment_intent}/pay", payment_method="pm_card_visa")

    async def advance_clock(self, days: int) -> None:
        """Moves the sandbox's clock; what is due until then happens."""
        await self._control("clock/advance", seconds=days * 86_400)

    async def _open(self, url: str) -> None:
        async with self._http.get(url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise PageProblem(f"{url} answers {answer.status}")

    async def _submit(self, url: str, form: dict[str, str]) -> str:
        """Sends the form, and returns the address that the page redirects to."""
        async with self._http.post(url, data=form, allow_redirects=False) as answer:
            if answer.status == 303:
                return urljoin(url, answer.headers["Location"])
            alert = _ALERT.search(await answer.text())
            raise PageProblem(alert[1] if alert else f"{url} answers {answer.status}")

    async def _control(self, path: str, **body: Any) -> None:  # noqa: ANN401 - JSON
        async with self._http.post(f"{self.sandbox_url}/_sandbox/{path}", json=body) as answer:
            if answer.status != 200:
                raise PageProblem(f"{path}: {await answer.text()}")
