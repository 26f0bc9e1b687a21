"""What money is worth in another currency today: the one table of rates, its control, and
/v1/exchange_rates, which Stripe still serves and calls deprecated.

The table says what one unit of a currency is worth in dollars; every other rate goes through the
dollar. It never changes by itself, so that amounts in tests can be written down. The control
changes a rate from that moment on, a reset brings the table back.

A rate is shown as Stripe shows it: the amount in one currency, times the rate, is the amount in the
other, both in minor units. So a yen at 0.63 cents is 0.63, not 0.0063.
"""

import math
from decimal import ROUND_HALF_UP, Context, Decimal

from stripe_sandbox.call import Call
from stripe_sandbox.errors import InvalidRequestError, parameter_invalid, resource_missing
from stripe_sandbox.params import Params
from stripe_sandbox.registry import Registry
from stripe_sandbox.state import NO_ACCOUNT
from stripe_sandbox.store import Json, StripeObject

registry = Registry()

USD_PER_UNIT = {
    "aed": "0.2723", "afn": "0.014", "all": "0.011", "amd": "0.0026", "ang": "0.56",
    "aoa": "0.0011", "ars": "0.0007", "aud": "0.66", "awg": "0.56", "azn": "0.59", "bam": "0.55",
    "bbd": "0.5", "bdt": "0.0083", "bgn": "0.55", "bhd": "2.653", "bif": "0.00034", "bmd": "1",
    "bnd": "0.745", "bob": "0.145", "brl": "0.185", "bsd": "1", "bwp": "0.073", "byn": "0.3",
    "bzd": "0.5", "cad": "0.73", "cdf": "0.00043", "chf": "1.12", "clp": "0.00105", "cny": "0.139",
    "cop": "0.00024", "crc": "0.002", "cve": "0.0098", "czk": "0.0435", "djf": "0.0056",
    "dkk": "0.1457", "dop": "0.016", "dzd": "0.0077", "egp": "0.02", "etb": "0.0066", "eur": "1.08",
    "fjd": "0.44", "fkp": "1.27", "gbp": "1.27", "gel": "0.37", "gip": "1.27", "gmd": "0.014",
    "gnf": "0.000115", "gtq": "0.13", "gyd": "0.0048", "hkd": "0.128", "hnl": "0.038",
    "htg": "0.0076", "huf": "0.00274", "idr": "0.0000625", "ils": "0.27", "inr": "0.0119",
    "isk": "0.0072", "jmd": "0.0063", "jod": "1.41", "jpy": "0.0064", "kes": "0.0077",
    "kgs": "0.0114", "khr": "0.00025", "kmf": "0.0022", "krw": "0.00073", "kwd": "3.25",
    "kyd": "1.2", "kzt": "0.0019", "lak": "0.000046", "lbp": "0.0000112", "lkr": "0.0033",
    "lrd": "0.0055", "lsl": "0.055", "mad": "0.109", "mdl": "0.058", "mga": "0.00022",
    "mkd": "0.0175", "mmk": "0.00048", "mnt": "0.00028", "mop": "0.125", "mur": "0.022",
    "mvr": "0.065", "mwk": "0.00058", "mxn": "0.055", "myr": "0.22", "mzn": "0.0157",
    "nad": "0.055", "ngn": "0.00067", "nio": "0.027", "nok": "0.0935", "npr": "0.0074",
    "nzd": "0.6", "omr": "2.6", "pab": "1", "pen": "0.27", "pgk": "0.24", "php": "0.0172",
    "pkr": "0.0036", "pln": "0.251", "pyg": "0.00013", "qar": "0.2747", "ron": "0.217",
    "rsd": "0.0092", "rub": "0.0123", "rwf": "0.00069", "sar": "0.2666", "sbd": "0.12",
    "scr": "0.07", "sek": "0.0943", "sgd": "0.745", "shp": "1.27", "sle": "0.044", "sos": "0.00175",
    "srd": "0.026", "std": "0.000044", "szl": "0.055", "thb": "0.0285", "tjs": "0.105",
    "tnd": "0.32", "top": "0.42", "try": "0.029", "ttd": "0.147", "twd": "0.031", "tzs": "0.0004",
    "uah": "0.024", "ugx": "0.00027", "usd": "1", "uyu": "0.025", "uzs": "0.00008",
    "vnd": "0.00004", "vuv": "0.0083", "wst": "0.36", "xaf": "0.00165", "xcd": "0.37",
    "xcg": "0.56", "xof": "0.00165", "xpf": "0.009", "yer": "0.0042", "zar": "0.055", "zmw": "0.04",
}  # fmt: skip

# Stripe's lists of currencies whose minor unit is not a hundredth.
WITHOUT_DECIMALS = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
     "xof", "xpf")
)  # fmt: skip
WITH_THREE_DECIMALS = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))

# A rate has six significant digits, and amounts are converted with exactly the rate that is shown.
SIX_DIGITS = Context(prec=6, rounding=ROUND_HALF_UP)
KIND, CHANGED = "_meta", "exchange_rates"


@registry.control("GET", "/_sandbox/exchange_rates")
def read_exchange_rates(call: Call) -> StripeObject:
    """What one unit of each currency is worth in dollars today."""
    today = {**USD_PER_UNIT, **_changed(call)}
    shown = {currency: float(today[currency]) for currency in sorted(today)}
    return {"object": "exchange_rates", "usd_per_unit": shown}


@registry.control("POST", "/_sandbox/exchange_rates")
def change_exchange_rates(call: Call) -> StripeObject:
    """{"eur": 1.10}: from now on one euro is worth 1.10 dollars."""
    changed = dict(_changed(call))
    for name, value in call.params.items():
        currency = Params({"currency": name}).currency()
        changed[currency] = _worth(currency, value)
    call.on(NO_ACCOUNT).add({"object": KIND, "id": CHANGED, "usd_per_unit": changed})
    return read_exchange_rates(call)


@registry.get("/v1/exchange_rates/{id}")
def retrieve_exchange_rates(call: Call) -> StripeObject:
    """What one whole unit of a currency comes to in each of the others: not in minor units."""
    source = call.path["id"]
    today = {**USD_PER_UNIT, **_changed(call)}
    if source not in today:
        raise resource_missing("exchange rate", source, "rate_id")
    rates = {
        target: float(SIX_DIGITS.divide(Decimal(today[source]), Decimal(worth)))
        for target, worth in sorted(today.items())
    }
    return {"id": source, "object": "exchange_rate", "rates": rates}


def rate(call: Call, source: str, target: str) -> Decimal:
    """What one minor unit of a currency is worth today, in minor units of another.

    Raises:
        InvalidRequestError: one of them is not in the table.
    """
    worth = SIX_DIGITS.divide(_in_dollars(call, source), _in_dollars(call, target))
    return worth.scaleb(decimals(target) - decimals(source))


def converted(amount: int, by: Decimal) -> int:
    """An amount at a rate, rounded half up (away from zero) to the minor unit."""
    return int((amount * by).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def decimals(currency: str) -> int:
    """How many decimals the minor unit of a currency has at Stripe."""
    if currency in WITHOUT_DECIMALS:
        return 0
    return 3 if currency in WITH_THREE_DECIMALS else 2


def _in_dollars(call: Call, currency: str) -> Decimal:
    worth = _changed(call).get(currency, USD_PER_UNIT.get(currency))
    if worth is None:
        raise InvalidRequestError(
            f"The sandbox has no exchange rate for {currency}; POST /_sandbox/exchange_rates "
            "sets one.",
            param="currency",
        )
    return Decimal(worth)


def _changed(call: Call) -> dict[str, str]:
    """What the control has changed; decimals are kept as text, which loses no digit."""
    held = call.on(NO_ACCOUNT).find(KIND, CHANGED)
    return held["usd_per_unit"] if held else {}


def _worth(currency: str, value: Json) -> str:
    if currency == "usd":
        raise parameter_invalid(currency, "Rates are in dollars: a dollar is always worth one.")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value <= 0:
        raise parameter_invalid(currency, f"Invalid rate: {value}; it must be above zero.")
    return str(value)
