"""The parameters of an account, of either of Stripe's account APIs."""

import pytest

from service.domain import ids
from service.domain.records.parties import AccountApi
from service.effects.create_account import parameters
from tests.records import TENANT, new_payee
from tests.service.effects.amounts import EFFECT


@pytest.mark.parametrize("api", AccountApi)
def test_an_account_is_an_express_one_whose_losses_are_the_platforms(api: AccountApi) -> None:
    payee = new_payee(account_api=api, country="JP")

    asked = parameters(payee, EFFECT)

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
