"""The states of a payout."""

import pytest

from service.domain.states.payout import PAYOUT, PayoutEvent, PayoutState
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    PAYOUT,
    PayoutState,
    PayoutEvent,
    """
    REQUESTED   reject          REJECTED    stripe
    REQUESTED   see_pending     PENDING     stripe
    REQUESTED   see_in_transit  IN_TRANSIT  stripe
    REQUESTED   see_paid        PAID        stripe
    REQUESTED   see_canceled    CANCELED    stripe
    REQUESTED   see_failed      FAILED      stripe
    REJECTED    see_pending     PENDING     stripe
    REJECTED    see_in_transit  IN_TRANSIT  stripe
    REJECTED    see_paid        PAID        stripe
    REJECTED    see_canceled    CANCELED    stripe
    REJECTED    see_failed      FAILED      stripe
    PENDING     see_in_transit  IN_TRANSIT  stripe
    PENDING     see_paid        PAID        stripe
    PENDING     see_canceled    CANCELED    stripe
    PENDING     see_failed      FAILED      stripe
    IN_TRANSIT  see_paid        PAID        stripe
    IN_TRANSIT  see_canceled    CANCELED    stripe
    IN_TRANSIT  see_failed      FAILED      stripe
    PAID        see_canceled    CANCELED    stripe
    PAID        see_failed      FAILED      stripe
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: PayoutState, event: PayoutEvent
) -> None:
    EXPECTED.check_pair(state, event)
