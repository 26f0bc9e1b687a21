"""An account of either API, read strictly: when it is active, and when it is not."""

from typing import Any

import pytest

from service.domain.states.payee import PayeeState
from service.stripe.objects.account import parse_account_v1, parse_account_v2
from service.stripe.objects.values import Unreadable
from tests.service.stripe.objects.nonsense import NO_TEXT


def account_v1(**changes: object) -> dict[str, Any]:
    ready = {"capabilities": {"transfers": "active"}, "payouts_enabled": True}
    return {"object": "account", "id": "acct_1", "details_submitted": True, **ready, **changes}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, PayeeState.ACTIVE),
        ({"payouts_enabled": False}, PayeeState.RESTRICTED),
        ({"payouts_enabled": "true"}, PayeeState.RESTRICTED),
        ({"capabilities": {"transfers": "pending"}}, PayeeState.RESTRICTED),
        ({"capabilities": None}, PayeeState.RESTRICTED),
        ({"capabilities": None, "details_submitted": False}, PayeeState.ONBOARDING),
        (
            {"payouts_enabled": False, "requirements": {"disabled_reason": "rejected.fraud"}},
            PayeeState.REJECTED,
        ),
    ],
)
def test_an_account_of_v1_is_active_only_when_money_gets_in_and_out(
    changes: dict[str, Any], state: PayeeState
) -> None:
    assert parse_account_v1(account_v1(**changes)).state is state


def test_bank_accounts_say_which_currencies_arrive() -> None:
    banks = {"object": "list", "data": [{"currency": "usd"}, {"currency": "eur"}] * 2}

    assert parse_account_v1(account_v1(external_accounts=banks)).bank_currencies == ["EUR", "USD"]
    assert parse_account_v1(account_v1()).bank_currencies == []
    with pytest.raises(Unreadable):
        parse_account_v1(account_v1(external_accounts={"data": [{"currency": None}]}))


def account_v2(transfers: dict[str, Any], **changes: object) -> dict[str, Any]:
    balance = {"stripe_balance": {"stripe_transfers": transfers}}
    return {
        "object": "v2.core.account",
        "id": "acct_1",
        "configuration": {"recipient": {"capabilities": balance}},
        **changes,
    }


DUE = {"entries": [{"description": "identity.individual.id_number"}]}


@pytest.mark.parametrize(
    ("account", "state"),
    [
        (account_v2({"status": "active"}), PayeeState.ACTIVE),
        (account_v2({"status": "pending"}), PayeeState.RESTRICTED),
        (account_v2({"status": "restricted"}, requirements=DUE), PayeeState.ONBOARDING),
        (
            account_v2({"status": "restricted", "status_details": [{"code": "rejected_by_us"}]}),
            PayeeState.REJECTED,
        ),
        (account_v2({"status": "active"}, closed=True), PayeeState.DEAUTHORIZED),
        ({"object": "v2.core.account", "id": "acct_1"}, PayeeState.RESTRICTED),
    ],
)
def test_an_account_of_v2_follows_the_capability_that_lets_money_in(
    account: dict[str, Any], state: PayeeState
) -> None:
    assert parse_account_v2(account).state is state


@pytest.mark.parametrize("value", [None, "", *NO_TEXT], ids=repr)
def test_an_account_without_a_name(value: object) -> None:
    with pytest.raises(Unreadable):
        parse_account_v1(account_v1(id=value))
    with pytest.raises(Unreadable):
        parse_account_v2({**account_v2({}), "id": value})
