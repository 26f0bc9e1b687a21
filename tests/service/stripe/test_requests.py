"""What is asked of Stripe, in its own terms: amounts in minor units of every currency."""

from dataclasses import replace

import pytest

from service.domain import ids
from service.domain.records.escrow import Escrow
from service.domain.records.parties import AccountApi
from service.domain.records.payment import CaptureStrategy, Payment
from service.effects import (
    create_account,
    create_checkout_session,
    create_payment_intent,
    create_payout,
    create_transfer,
)
from tests.records import (
    TENANT,
    new_escrow,
    new_milestone,
    new_payee,
    new_payer,
    new_payment,
    new_payout,
    new_release,
)

EFFECT = "eff_1"
AMOUNT = 10_500
IN_EVERY_CURRENCY = {"USD": "105.00 USD", "JPY": "10,500 JPY", "KWD": "10.500 KWD"}
"""What a person reads where Stripe takes 10500: yen have no decimals, dinars three."""


def paid_in(currency: str) -> tuple[Escrow, Payment]:
    escrow = new_escrow(new_payer(), new_payee(), currency=currency)
    return escrow, new_payment(escrow, amount_minor=AMOUNT)


@pytest.mark.parametrize("currency", IN_EVERY_CURRENCY)
def test_a_payment_is_asked_for_in_minor_units(currency: str) -> None:
    escrow, payment = paid_in(currency)
    payer = new_payer(stripe_customer="cus_1")

    asked = create_payment_intent.parameters(payment, payer, "job-1", EFFECT)

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
    assert (
        create_payment_intent.parameters(by_hand, payer, "job-1", EFFECT)["capture_method"]
        == "manual"
    )


@pytest.mark.parametrize("currency", IN_EVERY_CURRENCY)
def test_the_lines_of_a_page_add_up_to_the_payment(currency: str) -> None:
    escrow, payment = paid_in(currency)
    milestones = [
        new_milestone(escrow, title="Sketch", amount_minor=AMOUNT - 2_500, payer_fee_minor=0),
        new_milestone(escrow, title="Work", amount_minor=2_000, payer_fee_minor=500),
    ]

    asked = create_checkout_session.parameters(
        payment, new_payer(), escrow, milestones, "https://shop.example/", EFFECT
    )

    prices = [line["price_data"] for line in asked["line_items"]]
    assert {line["quantity"] for line in asked["line_items"]} == {1}
    assert sum(price["unit_amount"] for price in prices) == payment.amount_minor
    assert {price["currency"] for price in prices} == {currency.lower()}
    names = [price["product_data"]["name"] for price in prices]
    assert names == ["Sketch", "Work", "Platform fee"]
    assert asked["payment_intent_data"]["metadata"] == asked["metadata"]


def test_a_page_without_fees_shows_none() -> None:
    escrow, payment = paid_in("JPY")
    milestone = new_milestone(escrow, amount_minor=AMOUNT, payer_fee_minor=0)

    asked = create_checkout_session.parameters(
        payment, new_payer(), escrow, [milestone], "https://shop.example/", EFFECT
    )

    assert len(asked["line_items"]) == 1


@pytest.mark.parametrize("currency", IN_EVERY_CURRENCY)
def test_a_transfer_is_of_the_payees_share_out_of_the_payments_charge(currency: str) -> None:
    escrow, payment = paid_in(currency)
    payee = new_payee(stripe_account="acct_1")
    release = new_release(
        new_milestone(escrow),
        escrow,
        payment,
        amount_minor=AMOUNT,
        payee_share_minor=AMOUNT - 10,
    )

    asked = create_transfer.parameters(release, payee, "ch_1", EFFECT, 3)

    assert (asked["amount"], asked["currency"]) == (AMOUNT - 10, currency.lower())
    assert (asked["destination"], asked["source_transaction"]) == ("acct_1", "ch_1")
    assert asked["transfer_group"] == ids.show(ids.ESCROW, escrow.escrow_id)
    assert (asked["metadata"]["effect"], asked["metadata"]["generation"]) == (EFFECT, "3")


@pytest.mark.parametrize("currency", IN_EVERY_CURRENCY)
def test_a_payout_says_its_amount_as_a_person_reads_it(currency: str) -> None:
    payout = new_payout(new_payee(), amount_minor=AMOUNT, currency=currency)

    asked = create_payout.parameters(payout, EFFECT)

    assert (asked["amount"], asked["currency"]) == (AMOUNT, currency.lower())
    assert asked["description"] == f"Payout of {IN_EVERY_CURRENCY[currency]}"


@pytest.mark.parametrize("api", AccountApi)
def test_an_account_is_an_express_one_whose_losses_are_the_platforms(api: AccountApi) -> None:
    payee = new_payee(account_api=api, country="JP")

    asked = create_account.parameters(payee, EFFECT)

    assert asked["metadata"] == {
        "tenant": TENANT,
        "payee": ids.show(ids.PAYEE, payee.payee_id),
        "effect": EFFECT,
    }
    if api is AccountApi.V1:
        assert asked["country"] == "JP"
        assert asked["controller"]["losses"] == {"payments": "application"}
        assert asked["settings"]["payouts"]["schedule"] == {"interval": "manual"}
    else:
        assert asked["identity"] == {"country": "jp"}
        assert asked["defaults"]["responsibilities"]["losses_collector"] == "application"
