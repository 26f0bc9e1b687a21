"""What an amendment changes: read as it was written, for whom it is good, and when it is over."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.amendment import Change, PayeePart, Terms, never_fits
from service.domain.fees import Fees
from service.domain.states.milestone import MilestoneState
from tests.records import NOW, new_escrow, new_milestone, new_payee, new_payer

M = MilestoneState
MINOR = st.integers(0, 10**12)
FEES = st.builds(Fees, MINOR, MINOR, MINOR)
PARTS = st.lists(st.builds(PayeePart, st.uuids(), MINOR, MINOR, st.none() | st.integers(1, 10_000)))
TERMS = st.builds(
    Terms,
    FEES,
    st.none() | st.datetimes(timezones=st.just(UTC)),
    PARTS.map(tuple),
)
CHANGES = st.builds(Change, st.uuids(), st.text(), st.none() | TERMS, TERMS)
ONE = UUID(int=1)
DAY = timedelta(days=1)


@given(CHANGES)
def test_it_is_read_as_it_was_written(change: Change) -> None:
    assert Change.read(json.loads(json.dumps(change.document()))) == change


def terms(price: int = 100, fee: int = 20, due: datetime | None = None, *nets: int) -> Terms:
    parts = tuple(PayeePart(UUID(int=n), net, 0) for n, net in enumerate(nets))
    return Terms(Fees(price, 5, fee), due, parts)


@pytest.mark.parametrize(
    ("before", "after", "favors"),
    [
        (terms(), terms(101), True),
        (terms(), terms(99), False),
        (terms(100, 20), terms(101, 22), False),  # the fee takes more than that
        (terms(due=NOW), terms(due=NOW + DAY), True),
        (terms(due=NOW), terms(due=NOW - DAY), False),
        # It was paid for after the date, so that nobody could miss it.
        (terms(due=NOW - 3 * DAY), terms(due=NOW + DAY), False),
        (terms(), terms(due=NOW), False),
        (terms(100, 0, None, 60, 40), terms(110, 0, None, 60, 50), True),
        (terms(100, 0, None, 60, 40), terms(110, 0, None, 59, 51), False),  # one of them less
        (None, terms(), True),
        (None, terms(due=NOW), False),
    ],
)
def test_what_takes_nothing_from_any_payee(
    before: Terms | None, after: Terms, *, favors: bool
) -> None:
    assert Change(ONE, "", before, after).favors_payees(NOW - 2 * DAY) is favors


OF_PRICE = Change(ONE, "", terms(), terms(120))
OF_DATE = Change(ONE, "", terms(), terms(due=NOW))
ADDED = Change(UUID(int=2), "", None, terms())
NOT_PAID = {M.AWAITING_FUNDS}
AT_WORK = {M.AWAITING_FUNDS, M.FUNDED, M.DELIVERED}
NOT_ENDED = {M.AWAITING_FUNDS, M.FUNDED, M.DELIVERED, M.RELEASING, M.REFUNDING}


@pytest.mark.parametrize("state", M)
@pytest.mark.parametrize(
    ("change", "while_"), [(OF_PRICE, NOT_PAID), (OF_DATE, AT_WORK), (ADDED, NOT_ENDED)]
)
def test_it_is_over_when_it_can_never_be_done(
    change: Change, while_: set[MilestoneState], state: MilestoneState
) -> None:
    escrow = new_escrow(new_payer(), new_payee())
    milestone = new_milestone(escrow, milestone_id=ONE, state=state)

    assert never_fits([change], [milestone]) is (state not in while_)
