"""A policy as a document, and as a message: what is written is read again, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given

from service.domain.policy import Policy
from service.domain.policy_default import DEFAULT_POLICY
from service.operations.policies.messages import policy_message, policy_of
from service.policy_documents import NotAPolicy, problems_of, read_policy, write_policy
from tests.service.domain.policies import accepted

NO_INTEGERS: list[object] = [0.3, 3.0, "300", True, None, []]
LIMITS = {"least_minor": 200, "most_minor": 50_000}
RULES: dict[str, Any] = {
    "payment_limits": LIMITS,
    "payer_fee": {"basis_points": 300, "fixed_minor": 30},
    "payee_fee": {"basis_points": 1_000},
}


def document(**changes: object) -> dict[str, Any]:
    return {"currencies": {"USD": RULES | changes}}


@given(accepted())
def test_a_policy_comes_back_as_it_was_written(policy_of_currency: tuple[str, Policy]) -> None:
    _, policy = policy_of_currency

    assert read_policy(json.loads(json.dumps(write_policy(policy)))) == policy
    assert policy_of(policy_message(policy)) == policy


def test_the_default_is_a_document_as_well() -> None:
    assert read_policy(write_policy(DEFAULT_POLICY)) == DEFAULT_POLICY
    assert policy_of(policy_message(DEFAULT_POLICY)) == DEFAULT_POLICY


@pytest.mark.parametrize(
    ("wrong", "path", "says"),
    [
        (None, "the document", "must have currencies, stripe_fee_bearer"),
        ([], "the document", "must have currencies, stripe_fee_bearer"),
        ({}, "currencies", "is required"),
        ({"currencies": []}, "currencies", "must be an object, not []"),
        ({"currencies": {"USD": 3}}, "currencies.USD", "must have payment_limits, payer_fee"),
        (
            document() | {"stripe_fee_bearer": "me"},
            "stripe_fee_bearer",
            "must be 'platform' or 'payee', not \"me\"",
        ),
        (document() | {"fees": 3}, "fees", "is not known; known are currencies, stripe_fee_bearer"),
        (
            document(payer_fee={"basis_points": 3, "fixed": 30}),
            "currencies.USD.payer_fee.fixed",
            "is not known; known are basis_points, fixed_minor, fixed_per, least_minor, most_minor",
        ),
        (
            document(payout_limits={"least": 1} | LIMITS),
            "currencies.USD.payout_limits.least",
            "is not known; known are least_minor, most_minor",
        ),
        (
            document(payer_fee={"basis_points": 3, "fixed_per": "order"}),
            "currencies.USD.payer_fee.fixed_per",
            "must be 'milestone' or 'payment', not \"order\"",
        ),
        *(
            (
                document(payee_fee={"basis_points": value}),
                "currencies.USD.payee_fee.basis_points",
                f"must be a valid integer, not {json.dumps(value)}",
            )
            for value in NO_INTEGERS
        ),
    ],
)
def test_what_is_no_policy_is_refused_with_the_place(wrong: object, path: str, says: str) -> None:
    with pytest.raises(NotAPolicy) as refused:
        read_policy(wrong)

    (violation,) = refused.value.violations
    assert violation.field == path
    assert violation.description.startswith(says)


def test_every_place_is_named_at_once() -> None:
    with pytest.raises(NotAPolicy) as refused:
        read_policy({"currencies": {"USD": {"payer_fee": {}}, "EUR": RULES | {"x": 1}}})

    assert {violation.field for violation in refused.value.violations} == {
        "currencies.USD.payment_limits",
        "currencies.USD.payee_fee",
        "currencies.USD.payer_fee.basis_points",
        "currencies.EUR.x",
    }


def test_one_round_names_what_cannot_be_read_and_what_makes_no_sense() -> None:
    wrong = {
        "stripe_fee_bearer": "me",
        "currencies": {
            "USD": {
                "payment_limits": {"least_minor": 49, "most_minor": 50_000},
                "payer_fee": {"basis_points": 10_001, "fixed": 30},
            },
            "EUR": {"payment_limits": 5, "payer_fee": {"basis_points": -1}, "payee_fee": {}},
            "GBP": RULES | {"payout_limits": {"least_minor": 2, "most_minor": 1}},
            "JPY": 3,
            "XXX": RULES,
        },
    }

    assert {violation.field for violation in problems_of(wrong)} == {
        "stripe_fee_bearer",
        "currencies.USD.payment_limits.least_minor",
        "currencies.USD.payer_fee.basis_points",
        "currencies.USD.payer_fee.fixed",
        "currencies.USD.payee_fee",
        "currencies.EUR.payment_limits",
        "currencies.EUR.payer_fee.basis_points",
        "currencies.EUR.payee_fee.basis_points",
        "currencies.GBP.payout_limits.most_minor",
        "currencies.JPY",
        "currencies.XXX",
    }


@pytest.mark.parametrize(
    ("wrong", "places"),
    [
        # Two that cannot be read in one part, and one elsewhere that makes no sense.
        (
            {
                "periods": {"answer_hours": "x", "payment_hours": 1.5, "approval_hours": 0},
                "stripe_fee_bearer": "payee",
            },
            [
                *("periods.payment_hours", "periods.answer_hours"),
                *("stripe_fee_bearer", "periods.approval_hours"),
            ],
        ),
        # Beside what cannot be read in a part, the rest of it.
        (
            {"approvals": {"USD": {"refunds_minor": "x", "repairs_minor": -1}, "XXX": {"x": 1}}},
            [
                *("approvals.USD.refunds_minor", "approvals.XXX.x"),
                *("approvals.USD.repairs_minor", "approvals.XXX"),
            ],
        ),
        # A misspelled name in a part that cannot be read as well.
        (
            document(
                payer_fee={"basis_points": "3", "fixed": 1, "fixed_minor": -1},
                payment_limits={"least_minor": 49, "most_minor": None},
                payout_limits={"least_minor": -1, "most_minor": []},
            ),
            [
                "currencies.USD.payment_limits.most_minor",
                "currencies.USD.payer_fee.basis_points",
                "currencies.USD.payer_fee.fixed",
                "currencies.USD.payout_limits.most_minor",
                "currencies.USD.payment_limits.least_minor",
                "currencies.USD.payout_limits.least_minor",
                "currencies.USD.payer_fee.fixed_minor",
            ],
        ),
        # No currency that can be read is not the same as none.
        (
            {"currencies": {"USD": 3}, "periods": {"answer_hours": 0}},
            ["currencies.USD", "periods.answer_hours"],
        ),
        ({"currencies": 3, "periods": {"answer_hours": 0}}, ["currencies", "periods.answer_hours"]),
    ],
)
def test_what_cannot_be_read_hides_nothing_beside_it(
    wrong: dict[str, object], places: list[str]
) -> None:
    assert {each.field for each in problems_of(document() | wrong)} == set(places)


def test_what_depends_on_what_cannot_be_read_is_not_guessed() -> None:
    """The fee is more than the least amount by Stripe's limits, and may not be by their own."""
    fee = {"basis_points": 0, "fixed_minor": 100}
    (violation,) = problems_of(document(payment_limits={}, payee_fee=fee))[:-1]

    assert violation.field == "currencies.USD.payment_limits.least_minor"


@pytest.mark.parametrize("name", ["a.b", "", "currencies.USD"])
def test_a_name_that_looks_like_a_path_is_only_a_name(name: str) -> None:
    assert problems_of({"currencies": {name: {"payer_fee": 3}}, name: 3})


def test_a_side_that_pays_no_fee_says_so() -> None:
    (violation,) = problems_of({"currencies": {"USD": {**RULES, "payee_fee": None}}})
    assert violation.description.startswith("must have basis_points")
    without = {name: part for name, part in RULES.items() if name != "payee_fee"}
    (violation,) = problems_of({"currencies": {"USD": without}})
    assert violation.description == "is required, for instance {basis_points: 0} for none"
    assert problems_of(document(payee_fee={"basis_points": 0})) == []
