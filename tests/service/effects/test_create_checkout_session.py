"""The parameters of a Checkout session."""

import pytest

from service.effects.create_checkout_session import Pages, parameters
from tests.records import new_milestone, new_payer
from tests.service.effects.amounts import AMOUNT, EFFECT, IN_EVERY_CURRENCY, paid_in

PAGES = Pages("https://shop.example/paid", "https://shop.example/cart")


@pytest.mark.parametrize("currency", IN_EVERY_CURRENCY)
def test_the_lines_of_a_page_add_up_to_the_payment(currency: str) -> None:
    escrow, payment = paid_in(currency)
    milestones = [
        new_milestone(escrow, title="Sketch", amount_minor=AMOUNT - 2_500, payer_fee_minor=0),
        new_milestone(escrow, title="Work", amount_minor=2_000, payer_fee_minor=500),
    ]

    asked = parameters(payment, new_payer(), escrow, milestones, PAGES, EFFECT)

    prices = [line["price_data"] for line in asked["line_items"]]
    assert {line["quantity"] for line in asked["line_items"]} == {1}
    assert sum(price["unit_amount"] for price in prices) == payment.amount_minor
    assert {price["currency"] for price in prices} == {currency.lower()}
    names = [price["product_data"]["name"] for price in prices]
    assert names == ["Sketch", "Work", "Platform fee"]
    assert asked["payment_intent_data"]["metadata"] == asked["metadata"]
    assert (asked["success_url"], asked["cancel_url"]) == PAGES


def test_a_page_without_fees_shows_none() -> None:
    escrow, payment = paid_in("JPY")
    milestone = new_milestone(escrow, amount_minor=AMOUNT, payer_fee_minor=0)

    asked = parameters(payment, new_payer(), escrow, [milestone], PAGES, EFFECT)

    assert len(asked["line_items"]) == 1
