"""The parameters of a transfer."""

import pytest

from service.domain import ids
from service.effects.create_transfer import parameters
from tests.records import new_milestone, new_payee, new_release
from tests.service.effects.amounts import AMOUNT, EFFECT, IN_EVERY_CURRENCY, paid_in


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

    asked = parameters(release, payee, "ch_1", EFFECT, 3)

    assert (asked["amount"], asked["currency"]) == (AMOUNT - 10, currency.lower())
    assert (asked["destination"], asked["source_transaction"]) == ("acct_1", "ch_1")
    assert asked["transfer_group"] == ids.show(ids.ESCROW, escrow.escrow_id)
    assert (asked["metadata"]["effect"], asked["metadata"]["generation"]) == (EFFECT, "3")
