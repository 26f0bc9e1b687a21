"""The states of a chargeback."""

import pytest

from service.domain.states.chargeback import CHARGEBACK, ChargebackEvent, ChargebackState
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    CHARGEBACK,
    ChargebackState,
    ChargebackEvent,
    """
    INQUIRY         see_inquiry_closed  INQUIRY_CLOSED  stripe
    INQUIRY         see_prevented       PREVENTED       stripe
    INQUIRY         see_needs_response  NEEDS_RESPONSE  stripe
    INQUIRY         see_under_review    UNDER_REVIEW    stripe
    INQUIRY         see_lost            LOST            stripe
    INQUIRY         see_won             WON             stripe
    INQUIRY_CLOSED  see_inquiry         INQUIRY         stripe
    INQUIRY_CLOSED  see_prevented       PREVENTED       stripe
    INQUIRY_CLOSED  see_needs_response  NEEDS_RESPONSE  stripe
    INQUIRY_CLOSED  see_under_review    UNDER_REVIEW    stripe
    INQUIRY_CLOSED  see_lost            LOST            stripe
    INQUIRY_CLOSED  see_won             WON             stripe
    PREVENTED       see_inquiry         INQUIRY         stripe
    PREVENTED       see_inquiry_closed  INQUIRY_CLOSED  stripe
    PREVENTED       see_needs_response  NEEDS_RESPONSE  stripe
    PREVENTED       see_under_review    UNDER_REVIEW    stripe
    PREVENTED       see_lost            LOST            stripe
    PREVENTED       see_won             WON             stripe
    NEEDS_RESPONSE  see_inquiry         INQUIRY         stripe
    NEEDS_RESPONSE  see_inquiry_closed  INQUIRY_CLOSED  stripe
    NEEDS_RESPONSE  see_prevented       PREVENTED       stripe
    NEEDS_RESPONSE  see_under_review    UNDER_REVIEW    stripe
    NEEDS_RESPONSE  see_lost            LOST            stripe
    NEEDS_RESPONSE  see_won             WON             stripe
    UNDER_REVIEW    see_inquiry         INQUIRY         stripe
    UNDER_REVIEW    see_inquiry_closed  INQUIRY_CLOSED  stripe
    UNDER_REVIEW    see_prevented       PREVENTED       stripe
    UNDER_REVIEW    see_needs_response  NEEDS_RESPONSE  stripe
    UNDER_REVIEW    see_lost            LOST            stripe
    UNDER_REVIEW    see_won             WON             stripe
    LOST            see_inquiry         INQUIRY         stripe
    LOST            see_inquiry_closed  INQUIRY_CLOSED  stripe
    LOST            see_prevented       PREVENTED       stripe
    LOST            see_needs_response  NEEDS_RESPONSE  stripe
    LOST            see_under_review    UNDER_REVIEW    stripe
    LOST            see_won             WON             stripe
    WON             see_inquiry         INQUIRY         stripe
    WON             see_inquiry_closed  INQUIRY_CLOSED  stripe
    WON             see_prevented       PREVENTED       stripe
    WON             see_needs_response  NEEDS_RESPONSE  stripe
    WON             see_under_review    UNDER_REVIEW    stripe
    WON             see_lost            LOST            stripe
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: ChargebackState, event: ChargebackEvent
) -> None:
    EXPECTED.check_pair(state, event)
