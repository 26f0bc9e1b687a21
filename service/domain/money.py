"""Amounts of money: integers in the minor unit of their currency, as Stripe counts it.

Stripe's minor unit is not always ISO 4217's: the króna and the Ugandan shilling lost their
decimals, and Stripe still counts them in hundredths. Source: Stripe's "Supported currencies", its
lists of zero-decimal and three-decimal currencies, and its special cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

_NO_DECIMALS = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_TWO_DECIMALS = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF
    CHF CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF
    IDR ILS INR ISK JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK
    MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD
    SHP SLE SOS SRD STD SZL THB TJS TOP TRY TTD TWD TZS UAH UGX USD UYU UZS WST XCD XCG YER ZAR ZMW
"""
_THREE_DECIMALS = "BHD JOD KWD OMR TND"

CURRENCIES: Mapping[str, int] = MappingProxyType(
    {
        code: exponent
        for exponent, codes in ((0, _NO_DECIMALS), (2, _TWO_DECIMALS), (3, _THREE_DECIMALS))
        for code in codes.split()
    }
)
"""ISO 4217 code, upper case -> digits behind the decimal point, as Stripe counts them."""

_CHARGE_STEPS: Mapping[str, int] = MappingProxyType(
    {
        "ISK": 100,  # no fractions of a króna since 2007
        "UGX": 100,  # no fractions of a shilling
        **dict.fromkeys(_THREE_DECIMALS.split(), 10),  # the card networks know two decimals
    }
)
_PAYOUT_STEPS: Mapping[str, int] = MappingProxyType(
    {
        **_CHARGE_STEPS,
        "HUF": 100,  # charged in fillér, but a bank is paid in whole forint
        "TWD": 100,  # likewise in whole dollars
    }
)


def charge_step_minor(currency: str) -> int:
    """The smallest amount by which a charge, transfer or refund may differ: 1 for most."""
    return _CHARGE_STEPS.get(currency, 1)


def payout_step_minor(currency: str) -> int:
    """The smallest amount by which a payout to a bank may differ: 1 for most."""
    return _PAYOUT_STEPS.get(currency, 1)


def split_pro_rata(total_minor: int, weights: Sequence[int]) -> list[int]:
    """Splits an amount in proportion to the weights; the shares sum to it exactly.

    By largest remainder: each share is rounded down, and what is left over goes, one unit each, to
    the shares that lost most by that; among equals, to the first. No share is negative, none
    differs from its exact value by a whole unit, and a weight of zero gets nothing (unless all
    weights are zero, when they count as equal).

    Raises:
        ValueError: the amount or a weight is negative, or there is an amount and no share.
    """
    if total_minor < 0 or any(weight < 0 for weight in weights):
        raise ValueError("an amount and its weights cannot be negative")
    if not weights:
        if total_minor:
            raise ValueError("an amount cannot be split among nobody")
        return []
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    shares = [total_minor * weight // whole for weight in weights]
    lost = [total_minor * weight % whole for weight in weights]
    by_loss = sorted(
        range(len(weights)), key=lambda place: -lost[place]
    )  # stable: first among equals
    for place in by_loss[: total_minor - sum(shares)]:
        shares[place] += 1
    return shares


def format_minor(amount_minor: int, currency: str) -> str:
    """The amount for a person, in no particular language: "1,234.50 USD", "-5 JPY", "0.105 KWD".

    Of a currency that is not known it says so: "123450 minor units XXX".
    """
    if currency not in CURRENCIES:
        return f"{amount_minor} minor units {currency}"
    exponent = CURRENCIES[currency]
    whole, fraction = divmod(abs(amount_minor), 10**exponent)
    sign = "-" if amount_minor < 0 else ""
    decimals = f".{fraction:0{exponent}d}" if exponent else ""
    return f"{sign}{whole:,}{decimals} {currency}"
