"""The parameters of a payout."""

import pytest

from service.effects.create_payout import parameters
from tests.records import new_payee, new_payout
from tests.service.effects.amounts import AMOUNT, EFFECT, IN_EVERY_CURRENCY


@pytest.mark.parametrize("currency", IN_EVERY_CURRENCY)
def test_a_payout_says_its_amount_as_a_person_reads_it(currency: str) -> None:
    payout = new_payout(new_payee(), amount_minor=AMOUNT, currency=currency)

    asked = parameters(payout, EFFECT)

    assert (asked["amount"], asked["currency"]) == (AMOUNT, currency.lower())
    assert asked["description"] == f"Payout of {IN_EVERY_CURRENCY[currency]}"
