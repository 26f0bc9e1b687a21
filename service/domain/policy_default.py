"""The policy that a tenant starts on: version 1 of everybody, which is no row of the database.

Escrows are pinned to it, so it never takes less than it did: a most can only grow, and the least
counts when an escrow is created, not when it is paid. To charge otherwise, apply a policy.
"""

from __future__ import annotations

from collections.abc import Mapping

from service.domain.charge_limits import least_chargeable_minor, most_chargeable_minor
from service.domain.fees import FeeRule
from service.domain.money import CURRENCIES
from service.domain.policy import CurrencyRules, Limits, Policy

DEFAULT_VERSION = 1
PAYER_FEE = FeeRule(500)
PAYEE_FEE = FeeRule(2_000)
# The least in whole units, worth something between one and a few dollars; the most is a thousand
# times that, as far as Stripe goes.
MOST_IS_LEAST_TIMES = 1_000
LEAST_MAJOR: Mapping[int, str] = {
    10: """
        AED ANG AUD AWG AZN BAM BBD BGN BHD BMD BND BOB BRL BSD BYN BZD CAD CHF CNY DKK EUR FJD FKP
        GBP GEL GIP GTQ HKD ILS JOD KWD KYD MAD MOP MYR NZD OMR PAB PEN PGK PLN QAR RON SAR SBD SGD
        SHP TJS TND TOP TTD USD WST XCD XCG""",
    100: """
        AFN ALL BWP CVE CZK DOP EGP GMD HNL INR KGS LSL MDL MKD MUR MVR MXN MZN NAD NIO NOK PHP RSD
        RUB SCR SEK SLE SRD SZL THB TRY TWD UAH UYU ZAR ZMW""",
    1_000: """
        AMD AOA BDT CRC DJF DZD ETB GYD HTG HUF ISK JMD JPY KES KMF KZT LKR LRD NPR PKR SOS VUV XAF
        XOF XPF YER""",
    10_000: "ARS BIF CDF CLP COP GNF KHR KRW MGA MMK MNT MWK NGN PYG RWF TZS UGX",
    100_000: "IDR LAK LBP STD UZS VND",
}


def _rules(currency: str, least_major: int) -> CurrencyRules:
    least = max(least_major * 10 ** CURRENCIES[currency], least_chargeable_minor(currency))
    most = min(least * MOST_IS_LEAST_TIMES, most_chargeable_minor(currency))
    return CurrencyRules(Limits(least, most), PAYER_FEE, PAYEE_FEE)


DEFAULT_POLICY = Policy(
    {
        currency: _rules(currency, least_major)
        for least_major, currencies in LEAST_MAJOR.items()
        for currency in currencies.split()
    }
)
