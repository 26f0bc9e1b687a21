"""What one unit of a currency comes to in others."""

from __future__ import annotations

import math
from decimal import Decimal

from service.stripe.objects.values import Object, Unreadable, part


def parse_exchange_rates(shown: Object) -> dict[str, Decimal]:
    """What one whole unit is worth, by upper-case currency.

    Raises:
        Unreadable: a rate is missing or not above zero.
    """
    return {currency.upper(): _rate(value) for currency, value in part(shown, "rates").items()}


def _rate(value: object) -> Decimal:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not numeric or not math.isfinite(value) or value <= 0:  # type: ignore[operator,arg-type]
        raise Unreadable(f"{value!r} is not an exchange rate")
    return Decimal(str(value))
