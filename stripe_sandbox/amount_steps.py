"""Currencies whose amounts have to be round.

Source: Stripe's "Supported currencies", three-decimal currencies and special cases.
"""

from collections.abc import Mapping

from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.exchange_rates import WITH_THREE_DECIMALS

CHARGES: Mapping[str, int] = {"isk": 100, "ugx": 100} | dict.fromkeys(WITH_THREE_DECIMALS, 10)
PAYOUTS: Mapping[str, int] = {**CHARGES, "huf": 100, "twd": 100}


def require_round(amount: int, currency: str, steps: Mapping[str, int]) -> None:
    """Refuse an amount that the card networks, or the banks, cannot move.

    Raises:
        InvalidRequestError
    """
    step = steps.get(currency, 1)
    if amount % step:
        raise InvalidRequestError(
            f"Invalid amount {amount}: amounts in {currency} must be evenly divisible by {step}.",
            code="parameter_invalid_integer",
            param="amount",
        )
