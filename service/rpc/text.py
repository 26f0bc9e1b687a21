"""What a text may hold: shapes of ids, addresses and codes, and what no text may hold.

Each check takes a text and says what is wrong with it, or None. What it says is shown to the caller
and never repeats the text, which may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from service.domain.money import CURRENCIES
from service.rpc.countries import COUNTRIES

TextCheck = Callable[[str], str | None]

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_IS_UUID = re.compile(_UUID).fullmatch
_NIL_UUID = "00000000-0000-0000-0000-000000000000"  # AIP-155: names no request
_IS_TRACEPARENT = re.compile(
    r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
).fullmatch
_IS_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+").fullmatch
_EMAIL_MAX_LEN = 254  # RFC 5321

_NO_CURRENCY = (
    "must be the ISO 4217 code, in upper case, of any currency that Stripe charges in, such as USD,"
    " EUR or JPY"
)
_NO_COUNTRY = (
    "must be the ISO 3166-1 alpha-2 code, in upper case, of any country where Stripe pays people,"
    " such as US, DE or IN"
)

# C0, DEL, C1, the Unicode line separators, and the marks that reorder what a reader sees.
_CONTROLS = "\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_FIND_CONTROL = re.compile(f"[{_CONTROLS}]").search
_FIND_CONTROL_IN_PROSE = re.compile(f"(?![\n\t])[{_CONTROLS}]").search


def uuid(text: str) -> str | None:
    """A request id in its one canonical form, so that one UUID is never two keys."""
    if not _IS_UUID(text) or text == _NIL_UUID:
        return "must be a UUID in lower case with hyphens, and not the nil UUID"
    return None


def id_of_kind(prefix: str) -> TextCheck:
    """An id that carries its kind: "esc_" and a UUID as 32 hexadecimal digits."""
    is_id = re.compile(f"{re.escape(prefix)}_[0-9a-f]{{32}}").fullmatch
    complaint = f"must be an id: {prefix}_ and 32 lower-case hexadecimal digits"
    return lambda text: None if is_id(text) else complaint


def currency(text: str) -> str | None:
    """An ISO 4217 code, upper case, that Stripe charges in."""
    return None if text in CURRENCIES else _NO_CURRENCY


def country(text: str) -> str | None:
    """An ISO 3166-1 alpha-2 code, upper case, of a country where Stripe pays people."""
    return None if text in COUNTRIES else _NO_COUNTRY


def traceparent(text: str) -> str | None:
    """The caller's span, in version 00 of W3C Trace Context."""
    return None if _IS_TRACEPARENT(text) else "must be a W3C traceparent of version 00"


def email(text: str) -> str | None:
    """Checks the shape of an address, not that it exists."""
    if len(text) > _EMAIL_MAX_LEN or not _IS_EMAIL(text):
        return "must be an e-mail address"
    return None


def url(text: str) -> str | None:
    """An absolute address for a browser; user information in it is what phishing looks like."""
    complaint = "must be an absolute http or https URL without user information"
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        return complaint
    if not sound or "@" in parts.netloc or any(c.isspace() or c == "\\" for c in text):
        return complaint
    return None


def at_most_characters(max_len: int) -> TextCheck:
    """Counts code points, as PostgreSQL does."""
    complaint = f"must have at most {max_len:,} characters"
    return lambda text: None if len(text) <= max_len else complaint


def no_control_characters(text: str) -> str | None:
    """For one line of text."""
    return "must not hold control characters" if _FIND_CONTROL(text) else None


def no_control_characters_in_prose(text: str) -> str | None:
    """For prose, where line breaks and tabs are welcome."""
    return "must not hold control characters" if _FIND_CONTROL_IN_PROSE(text) else None


# --- card numbers -------------------------------------------------------------------------------

_BETWEEN = r"[\s\-\u2010-\u2015]{0,3}"  # what people put between the digits: spaces, any dash
_FIND_ENOUGH_DIGITS = re.compile(rf"\d(?:{_BETWEEN}\d){{12}}").search
_DIGIT_RUNS = re.compile(rf"\d+(?:{_BETWEEN}\d+)*")
_DIGIT_GROUPS = re.compile(r"\d+")
# Random digits and letters pass for a card number now and then: one in 500 of our own ids does.
# An id of Stripe in which a whole card number could stand is looked at like any other text.
_IDS = re.compile(
    rf"(?i:{_UUID})"
    r"|(?<![0-9A-Za-z])(?:"
    r"(?:[a-z]{2,8}_)?[0-9a-f]{32}"  # ours, and a UUID without its hyphens
    r"|[a-z]{2,8}_(?:test_|live_)?(?![0-9A-Za-z]*[0-9]{13})[0-9A-Za-z]{14,}"
    r")(?![0-9A-Za-z])"
)
_CARD_LENGTHS = range(13, 20)
# The first digits of the card networks. Without this, one in ten of all timestamps in milliseconds
# and of all 64-bit ids (both begin with 1) would be refused for no visible reason.
_CARD_FIRST_DIGITS = frozenset((2, 3, 4, 5, 6, 8))
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # Luhn: a digit doubled, its own digits added


def no_card_number(text: str) -> str | None:
    """Refuses what looks like a card number (PCI DSS: it must never be stored), wherever it stands.

    Looks like one: 13 to 19 digits of any script that begin like a card's and pass the Luhn check,
    in whole groups with spaces or dashes between them. A longer row of digits is no card, nor is an
    id of ours, of Stripe or a UUID.
    """
    if not _FIND_ENOUGH_DIGITS(text):
        return None
    for run in _DIGIT_RUNS.finditer(_IDS.sub("/", text)):
        if _holds_card_number(_DIGIT_GROUPS.findall(run[0])):
            return "must not hold what looks like a card number"
    return None


def _holds_card_number(groups: list[str]) -> bool:
    """Any whole groups in a row: "2026-11-20 4242 4242 4242 4242" holds one, from its 4th group."""
    digits = [int(digit) for group in groups for digit in group]
    edges = [0]
    for group in groups:
        edges.append(edges[-1] + len(group))
    # Luhn sums from the left, one for each parity of the last digit's place: any stretch of digits
    # is then checked by one subtraction, so that a hostile text costs linear time.
    sums: tuple[list[int], list[int]] = ([0], [0])
    for place, digit in enumerate(digits):
        sums[place % 2].append(sums[place % 2][-1] + digit)
        sums[1 - place % 2].append(sums[1 - place % 2][-1] + _DOUBLED[digit])
    for first, start in enumerate(edges[:-1]):
        if digits[start] not in _CARD_FIRST_DIGITS:
            continue
        for end in edges[first + 1 : first + 1 + _CARD_LENGTHS[-1]]:
            last = (end - 1) % 2
            if end - start in _CARD_LENGTHS and (sums[last][end] - sums[last][start]) % 10 == 0:
                return True
    return False
