"""What Stripe charges at least and at most, in minor units.

Source: Stripe's "Supported currencies", minimum and maximum charge amounts. The least counts in the
currency that a charge settles in; for a currency that is not listed Stripe documents none.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from service.domain.money import charge_step_minor

LEAST_MINOR: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(["AUD", "BRL", "CAD", "CHF", "EUR", "INR", "JPY", "NZD", "SGD", "USD"], 50),
        "GBP": 30,
        "BGN": 1_00,
        "AED": 2_00,
        "MYR": 2_00,
        "PLN": 2_00,
        "RON": 2_00,
        "DKK": 2_50,
        "NOK": 3_00,
        "SEK": 3_00,
        "HKD": 4_00,
        "MXN": 10_00,
        "THB": 10_00,
        "CZK": 15_00,
        "HUF": 175_00,
    }
)
_DIGITS: Mapping[str, int] = {"IDR": 12, "LBP": 11, "COP": 10, "HUF": 10, "JPY": 10, "INR": 9}
_DIGITS_OF_OTHERS = 8


def least_chargeable_minor(currency: str) -> int:
    """The least that is charged where it settles in the same currency; one step where unknown."""
    return LEAST_MINOR.get(currency, charge_step_minor(currency))


def most_chargeable_minor(currency: str) -> int:
    """The most that one charge may be: as many nines as Stripe takes digits, to the step."""
    step = charge_step_minor(currency)
    most: int = 10 ** _DIGITS.get(currency, _DIGITS_OF_OTHERS) - 1
    return most // step * step
