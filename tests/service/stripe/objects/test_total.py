"""Every parser is total: whatever JSON an object holds, it gives a value or says Unreadable."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.records.parties import AccountApi
from service.stripe.objects.account import parse_account
from service.stripe.objects.balance import parse_pending
from service.stripe.objects.balance_transaction import parse_balance_transaction
from service.stripe.objects.checkout_session import parse_checkout_session
from service.stripe.objects.dispute import parse_dispute
from service.stripe.objects.payment_intent import parse_payment_intent
from service.stripe.objects.payout import parse_payout
from service.stripe.objects.threats import (
    parse_early_fraud_warning,
    parse_refund,
)
from service.stripe.objects.values import Unreadable
from tests.depth import deeper
from tests.service.stripe.objects.test_balance_transaction import BALANCE
from tests.service.stripe.objects.test_payment_intent import INTENT

Json = dict[str, Any]

PAYOUT = {"id": "po_1", "status": "paid", "amount": 1, "currency": "usd", "arrival_date": 1}
SESSION = {
    "id": "cs_1",
    "status": "open",
    "amount_total": 1,
    "currency": "usd",
    "customer": "cus_1",
    "payment_intent": {"id": "pi_1"},
    "metadata": {"effect": f"eff_{'0' * 32}"},
}
ACCOUNT_V1 = {
    "id": "acct_1",
    "capabilities": {"transfers": "active"},
    "payouts_enabled": True,
    "details_submitted": True,
    "requirements": {"disabled_reason": "rejected.fraud", "currently_due": ["external_account"]},
}
TRANSFERS = {"status": "pending", "status_details": [{"code": "rejected_fraud"}]}
ACCOUNT_V2 = {
    "id": "acct_1",
    "closed": False,
    "configuration": {
        "recipient": {
            "capabilities": {
                "stripe_balance": {"stripe_transfers": TRANSFERS, "payouts": {"status": "active"}}
            }
        }
    },
    "requirements": {"entries": [{"description": "identity.email"}]},
}
THREAT = {
    "id": "du_1",
    "status": "lost",
    "amount": 1,
    "currency": "usd",
    "charge": "ch_1",
    "payment_intent": {"id": "pi_1"},
}
CHARGE = {"id": "ch_2", "balance_transaction": BALANCE}

PARSERS: Mapping[str, tuple[Callable[[Json], object], Json]] = {
    "balance transaction": (parse_balance_transaction, BALANCE),
    "payment intent": (
        lambda given: parse_payment_intent(given, None),
        {
            **INTENT,
            "currency": "jpy",
            "latest_charge": CHARGE,
            "last_payment_error": {"code": "card_declined"},
        },
    ),
    "checkout session": (lambda given: parse_checkout_session(given, None), SESSION),
    "payout": (parse_payout, PAYOUT),
    "balance": (parse_pending, {"pending": [{"amount": 1, "currency": "usd"}]}),
    "v1 account": (lambda given: parse_account(AccountApi.V1, given), ACCOUNT_V1),
    "v2 account": (lambda given: parse_account(AccountApi.V2, given), ACCOUNT_V2),
    "refund": (parse_refund, THREAT),
    "dispute": (
        parse_dispute,
        {
            **THREAT,
            "reason": "fraudulent",
            "created": 1,
            "evidence_details": {"due_by": 2, "submission_count": 0},
            "balance_transactions": [BALANCE],
        },
    ),
    "early fraud warning": (parse_early_fraud_warning, THREAT),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401  JSON
    """Where in it there is something."""
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    found = [path] if path else []
    for key, each in inside:
        found += places(each, (*path, key))
    return found


@pytest.mark.parametrize("name", PARSERS)
def test_the_sample_is_understood(name: str) -> None:
    parse, sample = PARSERS[name]

    assert parse(sample)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
@settings(max_examples=deeper(60, 1_000), suppress_health_check=[HealthCheck.too_slow])
def test_whatever_stands_anywhere_in_it(name: str, data: st.DataObject) -> None:
    parse, sample = PARSERS[name]
    spoiled = copy.deepcopy(sample)
    *outer, last = data.draw(st.sampled_from(places(sample)))
    where: Any = spoiled
    for key in outer:
        where = where[key]
    where[last] = data.draw(ANYTHING)

    try:
        parse(spoiled)
    except Unreadable:
        return


@pytest.mark.parametrize("name", PARSERS)
@given(given_=st.dictionaries(st.text(max_size=8), ANYTHING))
def test_any_object_at_all(name: str, given_: Json) -> None:
    parse, _ = PARSERS[name]

    with pytest.raises(Unreadable):
        parse(given_)
