"""The values of Stripe's objects: times, and our ids in the metadata."""

from datetime import UTC, datetime

import pytest

from service.domain import ids
from service.stripe.objects.values import Unreadable, moment_of, our_id
from tests.records import new_id
from tests.service.stripe.objects.nonsense import NO_TIME


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        ("2026-11-20T12:00:00.000Z", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("2026-11-20T13:00:00+01:00", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("2026-11-20T12:00:00", datetime(2026, 11, 20, 12, tzinfo=UTC)),
    ],
)
def test_a_time_of_either_api(value: object, expected: datetime) -> None:
    assert moment_of(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(*NO_TIME, "", "yesterday", "0001-01-01T00:00:00+14:00"),
        *("1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.000001Z", -1, -62_135_596_800),
    ],
)
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(Unreadable):
        moment_of(value)


def test_our_id_in_the_metadata() -> None:
    ours = new_id()

    assert our_id({"metadata": {"effect": ids.show(ids.EFFECT, ours)}}, "effect") == ours


@pytest.mark.parametrize(
    "metadata",
    [None, "ours", [], {}, {"effect": None}, {"effect": 7}, {"effect": "eff_"}, {"effect": "x"}],
    ids=repr,
)
def test_an_object_that_is_not_ours(metadata: object) -> None:
    assert our_id({"metadata": metadata}, "effect") is None
    assert our_id({}, "effect") is None
