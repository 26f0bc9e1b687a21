"""In which currencies a tenant's Stripe account settles, and what is done about others."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from service.domain.money import CURRENCIES

_SHOWN = Context(prec=8)  # digits of a rate: 1 VND is 0.000013 KWD


@dataclass(frozen=True, slots=True)
class Settlement:
    """``currencies`` (upper case) are those that the account holds: those with a bank account at
    Stripe, the account's default currency first. Empty: the tenant has not set them, and nothing
    is refused. ``convert``: others are taken, and Stripe converts them.
    """

    currencies: tuple[str, ...] = ()
    convert: bool = False

    def holds(self, currency: str) -> bool:
        """Whether it is known to hold the currency; True while the tenant has not set them."""
        return not self.currencies or currency in self.currencies


@dataclass(frozen=True, slots=True)
class QuotedConversion:
    """What Stripe would convert a payment into. ``rate`` is what one whole unit came to at Stripe
    when that was asked, None where Stripe did not say. No more than an estimate: Stripe converts
    at the rate of the moment of the payment.
    """

    currency: str
    rate: Decimal | None

    def convert(self, amount_minor: int, currency: str) -> int | None:
        """An amount of ``currency`` in minor units of this one; None without a rate."""
        if self.rate is None:
            return None
        moved = Decimal(amount_minor).scaleb(CURRENCIES[self.currency] - CURRENCIES[currency])
        return int((moved * self.rate).quantize(Decimal(1), ROUND_HALF_UP))


def show_rate(rate: Decimal) -> str:
    """A rate as a plain decimal number."""
    return format(_SHOWN.plus(rate).normalize(), "f")
