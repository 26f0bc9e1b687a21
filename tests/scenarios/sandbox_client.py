"""A test's side of the sandbox: its controls, its lists of Stripe's objects, its hosted pages."""

from typing import Any

import aiohttp

from tests.stripe_sandbox.schema_check import problems_in_traffic

API_KEY = "sk_test_scenarios"

Json = dict[str, Any]


class SandboxClient:
    """Talks to a running sandbox over HTTP."""

    def __init__(self, url: str, http: aiohttp.ClientSession, key: str = API_KEY) -> None:
        self.url = url
        self.http = http
        self._key = key

    async def control(self, method: str, path: str, **body: object) -> Json:
        """A route under /_sandbox/; it must not refuse."""
        async with self.http.request(method, f"{self.url}/_sandbox/{path}", json=body) as answer:
            told: Json = await answer.json()
            assert answer.status == 200, told
            return told

    async def stripe(self, method: str, path: str, account: str = "", **form: str) -> Json:
        """A request of the API as the platform, or as it acts for a connected account."""
        headers = {"Authorization": f"Bearer {self._key}"}
        if account:
            headers["Stripe-Account"] = account
        query, body = (form, None) if method == "GET" else (None, form)
        async with self.http.request(
            method, self.url + path, headers=headers, params=query, data=body
        ) as answer:
            told: Json = await answer.json()
            assert answer.status == 200, told
            return told

    async def all_of(self, path: str, account: str = "", **filters: str) -> list[Json]:
        """Every object of a list, newest first."""
        objects: list[Json] = []
        after: dict[str, str] = {}
        while True:
            page = await self.stripe("GET", path, account, limit="100", **filters, **after)
            objects += page["data"]
            if not page["has_more"]:
                return objects
            after = {"starting_after": objects[-1]["id"]}

    async def submit(self, url: str, **form: str) -> tuple[int, str, str]:
        """Fills in a hosted page: (status, where it leads, its text)."""
        async with self.http.post(url, data=form, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location", ""), await answer.text()

    async def advance(self, seconds: float) -> None:
        """Moves the virtual clock; answers when the deliveries it caused are over."""
        await self.control("POST", "clock/advance", seconds=int(seconds))

    async def arm(self, **fault: object) -> None:
        """Makes the next matching requests go wrong; stripe_sandbox/faults.py lists the fields."""
        await self.control("POST", "faults", **fault)

    async def hold(self) -> None:
        """From now on no event is delivered."""
        await self.control("POST", "deliveries/hold")

    async def release(self) -> None:
        """Delivers what was held, and everything from now on."""
        await self.control("POST", "deliveries/release")

    async def deliveries(self, status: str = "") -> list[Json]:
        """The delivery log, newest first; only those with this status if one is given."""
        log: list[Json] = (await self.control("GET", "deliveries"))["data"]
        return [delivery for delivery in log if not status or delivery["status"] == status]

    async def events(self) -> list[Json]:
        """Every event of every account."""
        events: list[Json] = (await self.control("GET", "events"))["data"]
        return events

    async def requests(self, method: str, path: str) -> list[Json]:
        """The latest API requests to a path, newest first, whatever became of them."""
        log: list[Json] = (await self.control("GET", "requests"))["data"]
        return [told for told in log if (told["method"], told["path"]) == (method, path)]

    async def balances(self) -> dict[str, dict[str, int]]:
        """What Stripe holds: account -> currency -> minor units; the platform's is "platform"."""
        books = await self.control("GET", "books")
        assert books["balanced"], books
        held = {}
        for account, told in books["accounts"].items():
            name = "platform" if account == books["platform"] else account
            sums = told["sum_of_net"].items()
            held[name] = {currency.upper(): amount for currency, amount in sums if amount}
        return held

    async def schema_problems(self) -> list[str]:
        """What does not fit Stripe's schemas in all that was said so far."""
        return await problems_in_traffic(self.http, self.url)
