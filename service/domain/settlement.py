"""In which currencies a tenant's Stripe account settles, and what is done about others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settlement:
    """``currencies`` (upper case) are those that the account holds: those with a bank account at
    Stripe. Empty: the tenant has not set them, and nothing is refused. ``convert``: others are
    taken, and Stripe converts them.
    """

    currencies: frozenset[str] = frozenset()
    convert: bool = False

    def holds(self, currency: str) -> bool:
        """Whether it is known to hold the currency; True while the tenant has not set them."""
        return not self.currencies or currency in self.currencies
