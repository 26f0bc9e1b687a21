"""What a seed is paid in, and what its money becomes.

Some seeds convert: escrows are in several currencies, the platform's account holds one or two,
payees' accounts hold those of their banks, and rates move all day. In the others all is in dollars.
"""

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import aiohttp

from escrow.v1.money_pb2 import Money
from tests.scenarios.sandbox_client import Json, SandboxClient
from tests.world import World

CONVERTING_SHARE = 1 / 3  # of the seeds
# Every tenant of the run says so. A dollar is held by each platform below.
TENANT = {"settlement_currencies": ["USD"], "conversion": "allow"}
# What a platform holds; what it does not is converted to the first.
PLATFORMS = (["usd"], ["usd", "eur"], ["eur", "usd"], ["jpy", "usd"], ["usd", "gbp"])
COUNTRIES = ("US", "DE", "JP", "GB", "HU")
SECOND_BANK_SHARE = 0.3  # of the payees have a bank account in a currency of the platform, too
CRUMB_SHARE = 0.2  # of the parts that are released
MISTAKE_SHARE = 0.1  # of the payouts are asked for in what was agreed, not in what arrived
MOST_MOVED = 4  # rates at a time
FACTORS = (0.7, 0.9137, 0.99, 1.0101, 1.1111, 1.4)


class Presented(NamedTuple):
    """The least of one payment, and the step of its amounts, in minor units."""

    least_minor: int
    step_minor: int = 1


USD = "USD"
PRESENTED = {
    USD: Presented(1_000),
    "EUR": Presented(1_000),
    "GBP": Presented(1_000),
    "JPY": Presented(1_000),
    "KRW": Presented(10_000),
    "KWD": Presented(10_000, 10),
    "TND": Presented(10_000, 10),
    "HUF": Presented(100_000),
    "ISK": Presented(100_000, 100),
}
PAYOUT_STEPS = {"HUF": 100}


class Currencies:
    """Those of one seed. ``convert`` says whether it converts, instead of the seed."""

    def __init__(self, seed: int, *, convert: bool | None = None) -> None:
        draw = random.Random(f"{seed} currencies")
        drawn = draw.random() < CONVERTING_SHARE
        self.convert = drawn if convert is None else convert
        self.platform = draw.choice(PLATFORMS) if self.convert else ["usd"]
        """What the platform holds, as Stripe writes it."""
        self.countries = draw.choices(COUNTRIES, k=2) if self.convert else ["US", "US"]
        """Of the payees."""

    async def begin(self, world: World) -> None:
        """Makes Stripe as strict as it is. In a seed that does not convert it is kinder."""
        if self.convert:
            await world.sandbox.control(
                "POST",
                "settings",
                settlement_currencies=self.platform,
                accounts_settle_in="external_accounts",
            )

    async def move_rates(self, world: World, draw: random.Random) -> None:
        """Money is worth something else from now on."""
        rates: Json = (await world.sandbox.control("GET", "exchange_rates"))["usd_per_unit"]
        names = sorted({name.lower() for name in PRESENTED} - {"usd"})
        moved = draw.sample(names, draw.randint(1, MOST_MOVED))
        worth = {name: round(rates[name] * draw.choice(FACTORS), 8) for name in moved}
        await world.sandbox.control("POST", "exchange_rates", **worth)

    # Who converts nothing draws nothing here, so that a seed stays what it was.

    def presented(self, draw: random.Random) -> str:
        """What an escrow is agreed in."""
        return draw.choice(list(PRESENTED)) if self.convert else USD

    def held(self, draw: random.Random) -> str:
        """One that the platform holds, as Stripe writes it."""
        return draw.choice(self.platform) if self.convert else "usd"

    def foreign(self, draw: random.Random) -> str:
        """What the other product is paid in, as Stripe writes it."""
        return self.presented(draw).lower()

    def part(self, draw: random.Random, most_minor: int, currency: str) -> int:
        """Of what is held: a part of any size, or one of which little is left when converted."""
        if self.convert and draw.random() < CRUMB_SHARE:
            return PRESENTED[currency].step_minor
        return part_minor(draw, most_minor, currency)

    def payout(self, draw: random.Random, balances: Sequence[Money], *, agreed: str) -> Money:
        """Of what the payee has in one of the currencies of their account; now and then of what
        was agreed, whatever arrived.
        """
        if not self.convert:
            balance = next(iter(balances), Money(currency=USD))
        elif not balances or draw.random() < MISTAKE_SHARE:
            balance = Money(currency=agreed)
        else:
            balance = draw.choice([b for b in balances if b.amount_minor] or balances)
        least_minor, step_minor = PRESENTED[balance.currency]
        step_minor = PAYOUT_STEPS.get(balance.currency, step_minor)
        amount_minor = draw.randint(least_minor, max(least_minor * 11 // 10, balance.amount_minor))
        return Money(
            amount_minor=amount_minor // step_minor * step_minor, currency=balance.currency
        )

    async def add_bank(self, draw: random.Random, sandbox: SandboxClient, account: str) -> None:
        """Some payees' accounts hold a currency of the platform's too, from now on."""
        if not self.convert or draw.random() >= SECOND_BANK_SHARE:
            return
        bank = {"object": "bank_account", "country": "US", "account_number": "000123456789"}
        bank["currency"] = self.held(draw)
        with suppress(
            aiohttp.ClientError, AssertionError, ValueError
        ):  # Stripe has a bad day as well
            await sandbox.stripe(
                "POST",
                f"/v1/accounts/{account}/external_accounts",
                **{f"external_account[{name}]": value for name, value in bank.items()},
            )


def price_minor(draw: random.Random, currency: str) -> int:
    """Of a milestone: two to ninety times the least payment."""
    least_minor, step_minor = PRESENTED[currency]
    return draw.randrange(2 * least_minor, 90 * least_minor) // step_minor * step_minor


def part_minor(draw: random.Random, most_minor: int, currency: str) -> int:
    """A part of an amount, from the smallest there is."""
    step_minor = PRESENTED[currency.upper()].step_minor
    return draw.randint(1, max(1, most_minor // step_minor)) * step_minor
