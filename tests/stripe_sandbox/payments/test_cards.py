"""The table of test cards."""

import pytest

from stripe_sandbox.payments.cards import BY_NUMBER, TEST_CARDS, passes_luhn


def test_every_test_card_is_known_once_and_has_its_check_digit() -> None:
    assert len(BY_NUMBER) == len(TEST_CARDS)
    assert all(passes_luhn(card.number) for card in TEST_CARDS)


@pytest.mark.parametrize("number", ["4242424242424241", "1", "378282246310006"])
def test_passes_luhn_refuses(number: str) -> None:
    assert not passes_luhn(number)
