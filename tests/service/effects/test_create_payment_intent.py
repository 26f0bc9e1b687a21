"""The parameters of a payment intent."""

from dataclasses import replace

import pytest

from service.domain import ids
from service.domain.records.payment import CaptureStrategy
from service.effects.create_payment_intent import parameters
from tests.records import TENANT, new_payer
from tests.service.effects.amounts import AMOUNT, EFFECT, IN_EVERY_CURRENCY, paid_in


@pytest.mark.parametrize("currency", IN_EVERY_CURRENCY)
def test_a_payment_is_asked_for_in_minor_units(currency: str) -> None:
    escrow, payment = paid_in(currency)
    payer = new_payer(stripe_customer="cus_1")

    asked = parameters(payment, payer, "job-1", EFFECT)

    assert (asked["amount"], asked["currency"]) == (AMOUNT, currency.lower())
    assert asked["customer"] == "cus_1"
    assert asked["capture_method"] == "automatic_async"
    assert asked["transfer_group"] == ids.show(ids.ESCROW, escrow.escrow_id)
    assert asked["metadata"] == {
        "tenant": TENANT,
        "escrow": ids.show(ids.ESCROW, escrow.escrow_id),
        "payment": ids.show(ids.PAYMENT, payment.payment_id),
        "effect": EFFECT,
    }
    by_hand = replace(payment, capture=CaptureStrategy.MANUAL)
    assert parameters(by_hand, payer, "job-1", EFFECT)["capture_method"] == "manual"
