import re
import string
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.rpc import text

CARDS = [
    "4242424242424242",
    "4000 0027 6000 3184",
    "5555-5555-5555-4444",
    "3782 822463 10005",
    "6011111111111117",
    "4222222222222",
    "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
    "4242 - 4242 - 4242 - 4242",
    "4242\u20134242\u20134242\u20134242",
    "4242\u00a04242\u00a04242\u00a04242",
    "4242\t4242\n4242 4242",
    "\uff14\uff12" * 8,
    "\u0664\u0662" * 8,
    "6212345678900000003",
    "my card is 4242424242424242, thanks",
    "pan:4242424242424242;cvc:123",
    "4242 4242 4242 4242 12 28 123",
    "2026-11-20 4242 4242 4242 4242",
    "x4242424242424242x",
    "https://example.com/pay?card=4242424242424242",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479 4242424242424242",
    "pyr_0193000a4242424242424242abcdefab 4242424242424242",
    "card_4242424242424242",
    "pan_4242424242424242x",
    "esc_4242424242424242",
    "pyr_0193000a4242424242424242abcdefabc",  # a digit more than an id has
]


@pytest.mark.parametrize("value", CARDS)
def test_a_card_number_is_found(value: str) -> None:
    assert text.no_card_number(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "4242424242424241",  # the check digit is wrong
        "424242424242",  # too short
        "42424242424242424242424242",  # a longer row of digits
        "4242, 4242, 4242, 4242",  # a list of numbers
        "1763664000000",  # a time in milliseconds
        "1234567890123456789",  # a 64-bit id
        "0000000000000000",
        "+49 30 901820",
        "42424242-4242-4242-4242-424242424242",  # a UUID, though of digits
        "order 2026-11-20/42",
        "pyr_0193000a4242424242424242abcdefab",  # ids hold any digits
        "0193000a4242424242424242abcdefab",
        'payer_id = "pyr_0193000a4242424242424242abcdefab" AND state = ACTIVE',
        "of esc_0193000a4242424242424242abcdefab, paid by pi_3Mtw4242LkdIwHu7ix28a4242",
        "pi_3MtwBwLkdIwHu7ix28a4242 4242 4242 4242",
        "cs_test_a1MtwBwLkdIwHu7ix28a4242-4242-4242-4242",
        "acct_1MtwBwLkdIwH4242 4242 4242 4242",
    ],
)
def test_other_numbers_are_no_card_numbers(value: str) -> None:
    assert text.no_card_number(value) is None


@pytest.mark.parametrize("prefix", ["esc", "pyr", "mst", "pi", "txn", "evt_test", ""])
def test_no_id_is_a_card_number(prefix: str) -> None:
    """One in 500 would be."""
    alphabet = string.digits + ("abcdef" if prefix in ("esc", "pyr", "mst", "") else "XYZxyz")
    random = Random(prefix)
    for _ in range(20_000):
        body = "".join(random.choices(alphabet, k=32))
        if re.search("[0-9]{13}", body) and prefix in ("pi", "txn", "evt_test"):
            continue  # never of 62 letters and digits: the letters are few here, not to be so rare
        name = f"{prefix}_{body}" if prefix else body
        assert text.no_card_number(name) is None
        assert text.no_card_number(f"see {name}, {name}-{name}") is None


def with_check_digit(digits: str) -> str:
    total = sum(
        sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(digits[::-1])
    )
    return digits + str(-total % 10)


@given(
    first=st.sampled_from("234568"),
    rest=st.text("0123456789", min_size=11, max_size=17),
    gaps=st.lists(st.sampled_from(["", "", " ", "-", " - "]), min_size=19, max_size=19),
    before=st.sampled_from(["", "card ", "x", "no. ", "12/28 "]),
    after=st.sampled_from(["", ".", " exp 12/28", "x"]),
)
def test_every_card_number_is_found_however_it_is_written(
    first: str, rest: str, gaps: list[str], before: str, after: str
) -> None:
    number = with_check_digit(first + rest)
    written = "".join(digit + gap for digit, gap in zip(number, gaps, strict=False)).rstrip(" -")

    assert text.no_card_number(before + written + after)


@given(st.text("0123456789 -x", max_size=60))
def test_any_text_is_judged_as_by_looking_at_every_stretch(value: str) -> None:
    def is_card(start: int, end: int) -> bool:
        digits = re.sub("[ -]", "", value[start:end])
        return bool(
            re.fullmatch(r"\d(?:[ -]{0,3}\d){12,18}", value[start:end])
            and not (value[:start][-1:] + value[end:][:1]).strip(" -x")  # whole groups of digits
            and digits[0] in "234568"
            and with_check_digit(digits[:-1]) == digits
        )

    found = any(is_card(start, end) for start in range(len(value)) for end in range(len(value) + 1))

    assert bool(text.no_card_number(value)) == found


@pytest.mark.parametrize("value", ["0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000"])
def test_a_uuid_in_canonical_form(value: str) -> None:
    assert text.uuid(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "0190AAAA-BBBB-7CCC-8DDD-EEEEFFFF0000",
        "0190aaaabbbb7ccc8dddeeeeffff0000",
        "{0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000}",
        "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000\n",
        "00000000-0000-0000-0000-000000000000",
        "not-a-uuid",
    ],
)
def test_no_uuid_in_canonical_form(value: str) -> None:
    assert text.uuid(value)


def test_an_id_carries_its_kind() -> None:
    check = text.id_of_kind("esc")

    assert check("esc_" + "0123456789abcdef" * 2) is None
    for wrong in ("mst_" + "0" * 32, "esc_" + "0" * 31, "esc_" + "A" * 32, "esc-" + "0" * 32, ""):
        assert check(wrong) == "must be an id: esc_ and 32 lower-case hexadecimal digits"


@pytest.mark.parametrize("value", ["a@b.co", "anna.o'neil+x@mail.example.com", "ü@exämple.de"])
def test_an_email_address(value: str) -> None:
    assert text.email(value) is None


@pytest.mark.parametrize(
    "value",
    ["a", "a@b", "@b.co", "a@", "a b@c.de", "a@b@c.de", "a@.de", "a@b..de", "a" * 65 + "@b.c"],
)
def test_no_email_address(value: str) -> None:
    assert text.email(value)


@pytest.mark.parametrize(
    "value",
    ["https://example.com", "http://localhost:8080/back?x=1#y", "https://[::1]:9/", "HTTPS://X.de"],
)
def test_a_url(value: str) -> None:
    assert text.url(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "example.com",
        "//example.com",
        "/path",
        "ftp://example.com",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://user:pass@example.com",
        "https://a b.de",
        "https://example.com:port",
        "https://example.com:99999",
        "https://[::1",
        "https:\\\\example.com",
    ],
)
def test_no_url(value: str) -> None:
    assert text.url(value)


def test_control_characters() -> None:
    for code in [*range(32), 0x7F, *range(0x80, 0xA0), 0x2028, 0x2029, 0x202E, 0x2066]:
        assert text.no_control_characters(f"a{chr(code)}b")
        assert bool(text.no_control_characters_in_prose(f"a{chr(code)}b")) == (
            chr(code) not in "\n\t"
        )
    assert text.no_control_characters("plain ünïcode 🎉 עברית") is None


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_traceparent_is_of_version_00_and_names_a_trace_and_a_span() -> None:
    assert text.traceparent(TRACEPARENT) is None
    digits_of_a_card = "00-4242424242424242aaaaaaaaaaaaaaaa-4242424242424242-00"
    assert text.traceparent(digits_of_a_card) is None
    for wrong in (
        "",
        TRACEPARENT.upper(),
        TRACEPARENT + "\n",
        TRACEPARENT.replace("00-", "ff-"),
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
    ):
        assert text.traceparent(wrong)


def test_codes_are_upper_case() -> None:
    assert (text.currency("USD"), text.country("US")) == (None, None)
    for wrong in ("usd", "US", "XXX", ""):
        assert text.currency(wrong)
    for wrong in ("us", "USA", "XX", ""):
        assert text.country(wrong)
