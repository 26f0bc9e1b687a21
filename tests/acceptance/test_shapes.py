from typing import Any

import pytest

from tests.acceptance.shapes import Difference, Exchange, Kind, differences, shapes_of

TRANSFER = "POST /v1/transfers -> 200"
HERE: dict[str, Any] = {
    "id": "tr_1",
    "amount": 100,
    "reversed": False,
    "destination": None,
    "reversals": {"data": []},
    "metadata": {"ours": "1"},
}


def compared(at_stripe: dict[str, Any]) -> list[Difference]:
    """Of one answer at Stripe, and the one here."""
    ends = [[Exchange("POST", "/v1/transfers", 200, body)] for body in (at_stripe, HERE)]
    return differences(shapes_of(ends[0]), shapes_of(ends[1]))


@pytest.mark.parametrize(
    "at_stripe",
    [
        HERE,
        {**HERE, "amount": 7, "metadata": {"other": 1}},
        {**HERE, "destination": "acct_1"},  # null here: it says nothing
        {**HERE, "reversals": None},
        {**HERE, "reversals": {"data": [{"id": "trr_1"}]}},
    ],
)
def test_values_lists_and_nulls_make_no_difference(at_stripe: dict[str, Any]) -> None:
    assert compared(at_stripe) == []


def test_another_type_is_a_fault() -> None:
    [found] = compared({**HERE, "amount": "100"})
    assert found == Difference(TRANSFER, "amount", Kind.TYPE, "string, here number")
    assert found.is_fault


def test_a_field_that_stripe_does_not_send_is_a_fault() -> None:
    without = {key: value for key, value in HERE.items() if key != "reversed"}
    [found] = compared(without)
    assert (found.field, found.kind, found.is_fault) == ("reversed", Kind.NOT_AT_STRIPE, True)


def test_a_field_of_stripes_alone_is_told_and_no_fault() -> None:
    [found] = compared({**HERE, "reversals": {"data": [], "url": "/v1"}})
    assert (found.field, found.is_fault) == ("reversals.url", False)


def test_what_one_end_was_not_asked_is_not_compared() -> None:
    asked = [Exchange("GET", "/v1/transfers/tr_1", 200, HERE)]
    assert differences(shapes_of(asked), {}) == []


def test_ids_in_a_path_are_alike() -> None:
    first, second = (Exchange("GET", f"/v1/transfers/tr_{n}", 200, {}) for n in (1, 2))
    assert list(shapes_of([first])) == list(shapes_of([second]))


def test_objects_of_different_kinds_in_one_place_are_not_compared() -> None:
    def listed(**source: object) -> list[Exchange]:
        return [Exchange("GET", "/v1/balance_transactions", 200, {"data": [{"source": source}]})]

    charge = shapes_of(listed(object="charge", paid=True))
    payout = shapes_of(listed(object="payout", method="standard"))
    wrong = shapes_of(listed(object="charge", paid="yes"))

    assert differences(charge, payout) == []
    [found] = differences(charge, wrong)
    assert found.field == "data[].source<charge>.paid"


def test_events_are_compared_by_their_type() -> None:
    def log(kind: str, value: object) -> list[Exchange]:
        event = {"object": "event", "type": kind, "data": {"object": {"amount": value}}}
        return [Exchange("GET", "/v1/events", 200, {"object": "list", "data": [event]})]

    both = differences(shapes_of(log("charge.updated", "1")), shapes_of(log("charge.updated", 1)))
    assert [each.where for each in both] == ["event charge.updated"]
    assert (
        differences(shapes_of(log("charge.updated", "1")), shapes_of(log("charge.captured", 1)))
        == []
    )
