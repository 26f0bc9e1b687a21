"""Stripe's stripe-mock judges what the service sends. Every world's end asks it (`tests/world.py`);
here it is shown that it judges, and that what a deal sends comes before it.
"""

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from tests import stripe_mock
from tests.acceptance.shapes import Exchange, Kind, differences, shapes_of
from tests.scenarios.deal import Deal
from tests.stripe_mock import NONE_HERE, Json, find_stripe_mock, refusals, samples

pytestmark = pytest.mark.skipif(find_stripe_mock() is None, reason=NONE_HERE)


def exchange(method: str, path: str, **params: object) -> Json:
    return {"method": method, "path": path, "params": params, "api_version": "of today"}


TRANSFER = {"amount": 100, "currency": "usd", "destination": "acct_1", "metadata": {"a": "b"}}


async def test_the_judge_takes_what_is_right_and_refuses_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stripe_mock, "_judged", set())
    right = [
        exchange("POST", "/v1/transfers", **TRANSFER),
        exchange("GET", "/v1/transfers", limit=100, transfer_group="esc_1"),
        exchange("GET", "/v1/payment_intents/pi_1", expand=["latest_charge"]),
    ]
    wrong = [
        exchange("POST", "/v1/transfers", **TRANSFER, amount_minor=100),
        exchange("POST", "/v1/transfers", amount=100),
        exchange("POST", "/v1/payment_intents", amount=1, currency="usd", capture_method="late"),
        exchange("GET", "/v1/nothing"),
    ]

    assert await refusals(right) == []
    told = await refusals(wrong)

    assert [sentence.split(" with ")[0] for sentence in told] == [
        f"{each['method']} {each['path']}" for each in wrong
    ]
    assert "amount_minor" in told[0]


async def test_what_a_whole_deal_sends_and_gets_is_judged(deal: Deal) -> None:
    await deal.pay_for()
    await deal.deliver()
    await deal.accept()
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    sent = (await deal.world.sandbox.control("GET", "requests"))["data"]

    assert await refusals(sent) == []
    judged = {(shape[0], shape[1]) for shape in stripe_mock._judged}
    assert {
        ("POST", "/v1/customers"),
        ("POST", "/v1/payment_intents"),
        ("POST", "/v1/transfers"),
    } <= judged

    # A sample lacks what is optional, so only the types of what both have are compared.
    answered = [each for each in sent if each["status"] == 200]
    theirs = shapes_of(map(as_exchange, await samples(answered)))
    ours = shapes_of(map(as_exchange, answered))
    assert "POST /v1/transfers -> 200" in theirs.keys() & ours.keys()
    assert [each for each in differences(theirs, ours) if each.kind is Kind.TYPE] == []


def as_exchange(told: Json) -> Exchange:
    return Exchange(told["method"], told["path"], told["status"], told["body"])
