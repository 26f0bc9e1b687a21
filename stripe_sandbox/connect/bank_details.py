"""What a bank account is named by, country by country, with Stripe's test number of each.

Source: docs.stripe.com, *Manage payout accounts for connected accounts* and *Testing*; the numbers
of countries that those do not name are the example of each country's IBAN.
"""

import re
from dataclasses import dataclass

_IS_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}").fullmatch
_IS_NUMBER = re.compile(r"[A-Za-z0-9-]{4,34}").fullmatch


@dataclass(frozen=True, slots=True)
class BankDetails:
    """What an owner is asked for; ``routing_label`` is empty where the number says it all."""

    routing_label: str
    routing_number: str
    number_label: str
    account_number: str
    """One that receives payouts."""

    @property
    def is_iban(self) -> bool:
        return self.number_label == "IBAN"

    def takes(self, account_number: str) -> bool:
        """Whether the number, without spaces, is of this country's kind."""
        return bool(_IS_IBAN(account_number) if self.is_iban else _IS_NUMBER(account_number))


def _iban(example: str) -> BankDetails:
    return BankDetails("", "", "IBAN", example)


GOOD_ACCOUNT_NUMBER = "000123456789"
TEST_ROUTING_NUMBER = "110000000"
_NUMBER = "Account number"

BY_COUNTRY = {
    "US": BankDetails("Routing number", TEST_ROUTING_NUMBER, _NUMBER, GOOD_ACCOUNT_NUMBER),
    "AU": BankDetails("BSB", "110000", _NUMBER, "000123456"),
    "CA": BankDetails("Transit and institution number", "11000-000", _NUMBER, "000123456789"),
    "GB": BankDetails("Sort code", "108800", _NUMBER, "00012345"),
    "HK": BankDetails("Clearing and branch code", "110-000", _NUMBER, "000123-456"),
    "IN": BankDetails("IFSC code", "HDFC0000261", _NUMBER, "000123456789"),
    "JP": BankDetails("Bank and branch code", "1100000", _NUMBER, "0001234"),
    "MX": BankDetails("", "", "CLABE", "000000001234567897"),
    "NZ": BankDetails("", "", _NUMBER, "1100000000000010"),
    "SG": BankDetails("Bank and branch code", "1100-000", _NUMBER, "000123456"),
    "AT": _iban("AT611904300234573201"),
    "BE": _iban("BE62510007547061"),
    "BG": _iban("BG80BNBG96611020345678"),
    "CH": _iban("CH9300762011623852957"),
    "CY": _iban("CY17002001280000001200527600"),
    "CZ": _iban("CZ6508000000192000145399"),
    "DE": _iban("DE89370400440532013000"),
    "DK": _iban("DK5000400440116243"),
    "EE": _iban("EE382200221020145685"),
    "ES": _iban("ES0700120345030000067890"),
    "FI": _iban("FI2112345600000785"),
    "FR": _iban("FR1420041010050500013M02606"),
    "GI": _iban("GI75NWBK000000007099453"),
    "GR": _iban("GR1601101250000000012300695"),
    "HR": _iban("HR1210010051863000160"),
    "HU": _iban("HU42117730161111101800000000"),
    "IE": _iban("IE29AIBK93115212345678"),
    "IT": _iban("IT40S0542811101000000123456"),
    "LI": _iban("LI21088100002324013AA"),
    "LT": _iban("LT121000011101001000"),
    "LU": _iban("LU280019400644750000"),
    "LV": _iban("LV80BANK0000435195001"),
    "MT": _iban("MT84MALT011000012345MTLCAST001S"),
    "NL": _iban("NL39RABO0300065264"),
    "NO": _iban("NO9386011117947"),
    "PL": _iban("PL61109010140000071219812874"),
    "PT": _iban("PT50000201231234567890154"),
    "RO": _iban("RO49AAAA1B31007593840000"),
    "SE": _iban("SE3550000000054910000003"),
    "SI": _iban("SI56191000000123438"),
    "SK": _iban("SK3112000000198742637541"),
}
_ELSEWHERE = BankDetails("Bank code", TEST_ROUTING_NUMBER, _NUMBER, GOOD_ACCOUNT_NUMBER)

# account number -> (failure_code, failure_message) of every payout to it
_NO_ACCOUNT = ("no_account", "The bank account could not be located.")
_CLOSED = ("account_closed", "The bank account has been closed.")
PAYOUT_FAILURES = {
    "000111111116": _NO_ACCOUNT,
    "000111111113": _CLOSED,
    "000222222227": ("insufficient_funds", "Your Stripe account has insufficient funds."),
    "000333333335": ("debit_not_authorized", "Debit transactions are not approved here."),
    "000444444440": ("invalid_currency", "The bank was unable to process this currency."),
    # Britain's are the last eight digits of these.
    "11111116": _NO_ACCOUNT,
    "11111113": _CLOSED,
    "DE62370400440532013001": _NO_ACCOUNT,
    "DE89370400440532013002": _CLOSED,
}


def bank_details(country: str) -> BankDetails:
    """What a bank account in this country is named by."""
    return BY_COUNTRY.get(country, _ELSEWHERE)


def failing_numbers(country: str) -> list[str]:
    """The account numbers whose payouts fail, of those that the country takes."""
    details = bank_details(country)
    if details.is_iban:
        return [number for number in PAYOUT_FAILURES if details.takes(number)]
    length = len("11111116") if country == "GB" else len(GOOD_ACCOUNT_NUMBER)
    return [number for number in PAYOUT_FAILURES if number.isdigit() and len(number) == length]
