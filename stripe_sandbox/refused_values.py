"""E-mail addresses and countries that Stripe refuses, with its codes.

Stripe takes an address by its shape alone, in ASCII; an internationalized domain is sent in
punycode. In which countries a platform may connect accounts is dated data and depends on the
platform: the settings name further ones that it may not.
"""

import re

from stripe_sandbox.call import Call
from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.params import Params

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_IS_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z][A-Za-z0-9-]*").fullmatch
_IS_COUNTRY = re.compile("[A-Z]{2}").fullmatch

# Where Connect makes accounts that can be paid; the United States sanction the others, or Stripe
# does not go there.
_COUNTRIES = """
    AE AG AL AM AO AR AT AU AZ BA BD BE BG BH BJ BN BO BR BS BT BW CA CH CI CL CO CR CY CZ DE DK DO
    DZ EC EE EG ES ET FI FR GA GB GH GI GM GR GT GY HK HR HU ID IE IL IN IS IT JM JO JP KE KH KR KW
    KZ LA LC LI LK LT LU LV MA MC MD MG MK MN MO MT MU MX MY MZ NA NE NG NL NO NZ OM PA PE PH PK PL
    PT PY QA RO RS RW SA SE SG SI SK SM SN SV TH TN TR TT TW TZ US UY UZ VN ZA
"""
COUNTRIES = frozenset(_COUNTRIES.split())


def checked_email(params: Params, name: str, default: str | None = None) -> str | None:
    """The address given, or the default.

    Raises:
        InvalidRequestError: email_invalid.
    """
    given = params.text(name)
    if given is None:
        return default
    if not _IS_EMAIL(given):
        raise InvalidRequestError(
            f"Invalid email address: {given}", code="email_invalid", param=params.name_of(name)
        )
    return given


def check_country(call: Call, country: str, param: str) -> None:
    """Raises InvalidRequestError: country_code_invalid, country_unsupported."""
    if not _IS_COUNTRY(country):
        raise InvalidRequestError(
            f"Country '{country}' is unknown. Try using a 2-character alphanumeric country code "
            "instead, such as 'US', 'EG', or 'GB'.",
            code="country_code_invalid",
            param=param,
        )
    if country not in COUNTRIES - call.state.unsupported_countries:
        raise InvalidRequestError(
            f"{country} is not currently supported by Stripe for this platform.",
            code="country_unsupported",
            param=param,
        )
