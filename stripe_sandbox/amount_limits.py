"""What a charge must come to, at least and at most.

Source: Stripe's "Supported currencies", minimum and maximum charge amounts, and special cases.
"""

from collections.abc import Mapping

from stripe_sandbox import exchange_rates, settlement
from stripe_sandbox.amount_steps import CHARGES, require_round
from stripe_sandbox.call import Call
from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.params import largest_amount

# By the currency that the charge settles in, in its smallest unit.
LEAST: Mapping[str, int] = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500,
    "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000,
    "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
# A currency that is not listed above settles nowhere but in this sandbox, which holds all of them.
ELSEWHERE_IN_DOLLARS = LEAST["usd"]


def require_chargeable(call: Call, amount: int, currency: str) -> None:
    """Refuse a charge that Stripe would refuse for its amount.

    Raises:
        InvalidRequestError
    """
    if amount > largest_amount(currency):
        raise InvalidRequestError(
            f"Amount must be no more than {largest_amount(currency)} {currency} in the currency's "
            "smallest unit.",
            code="amount_too_large",
            param="amount",
        )
    settled = settlement.settle(call, amount, currency)
    least = LEAST.get(settled.currency)
    if least is None:
        settled = settlement.convert(call, settled.amount, settled.currency, "usd")
        least = ELSEWHERE_IN_DOLLARS
    if settled.amount < least:
        converts = "convert to" if settled.currency != currency else "be"
        raise InvalidRequestError(
            f"Amount must {converts} at least {_shown(least, settled.currency)}.",
            code="amount_too_small",
            param="amount",
        )
    require_round(amount, currency, CHARGES)


def _shown(amount: int, currency: str) -> str:
    decimals = exchange_rates.decimals(currency)
    return f"{amount / 10**decimals:.{decimals}f} {currency}"
