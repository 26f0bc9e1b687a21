import asyncpg
import pytest

from service.redaction import REDACTED, redact, redact_event


@pytest.mark.parametrize(
    "secret",
    [
        "sk_test_51Habc",
        "sk_live_51Habc",
        "rk_live_51Habc",
        "whsec_abc123",
        "pi_3Mabc_secret_YrKJ",
        "seti_1Mabc_secret_Nabc",
        "cs_test_a1b2_secret_fid%2Fabc",
        "anna.o+x@example.co.uk",
        "4242 4242 4242 4242",
        "4000002760003184",
    ],
)
def test_a_secret_is_taken_out_of_its_sentence(secret: str) -> None:
    assert redact(f"before {secret}, after") == f"before {REDACTED}, after"
    assert secret not in redact(f'{{"value":"{secret}"}}')


@pytest.mark.parametrize("password", ["hunter2", "hun:ter2", "hunt@er2", ""])
def test_a_password_is_taken_out_of_its_url(password: str) -> None:
    url = f"postgresql://escrow:{password}@db:5432/escrow"

    assert redact(f"cannot reach {url}") == f"cannot reach postgresql://{REDACTED}@db:5432/escrow"


def test_a_row_that_postgresql_quotes_is_taken_out() -> None:
    error = asyncpg.NotNullViolationError("null value in column country")
    error.detail = "Failing row contains (default, Anna Oh, 221B Baker Street)."

    assert redact(f"{error}\nHINT") == f"null value in column country\nDETAIL:{REDACTED}\nHINT"


@pytest.mark.parametrize(
    "text",
    [
        "esc_0190aaaabbbb7ccc8dddeeeeffff0000",
        "trace 4242424242424242a000000000000000",
        "0190aaaa-4242-4242-8242-424242424242",
        "pi_3Mabc succeeded at 1763664000000",
        "postgresql://db/escrow",
        "dp_secretary is no secret",
    ],
)
def test_ids_and_times_are_kept(text: str) -> None:
    assert redact(text) == text


def test_every_corner_of_a_log_line() -> None:
    event = {
        "event": "failed for anna@example.com",
        "count": 3,
        "ok": True,
        "nested": {"sk_test_1": ["whsec_2", 4, None]},
        "exception": "RuntimeError: sk_test_3",
        "anything": ValueError("sk_test_4"),
    }

    assert redact_event(None, "info", event) == {
        "event": f"failed for {REDACTED}",
        "count": 3,
        "ok": True,
        "nested": {REDACTED: [REDACTED, 4, None]},
        "exception": f"RuntimeError: {REDACTED}",
        "anything": f"ValueError('{REDACTED}')",
    }
