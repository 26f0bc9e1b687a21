"""The states of a refund."""

import pytest

from service.domain.states.refund import REFUND, RefundEvent, RefundState
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    REFUND,
    RefundState,
    RefundEvent,
    """
    REQUESTED        pend            PENDING          stripe
    REQUESTED        require_action  REQUIRES_ACTION  stripe
    REQUESTED        succeed         SUCCEEDED        stripe
    REQUESTED        fail            FAILED           stripe
    REQUESTED        reject          REJECTED         stripe
    PENDING          require_action  REQUIRES_ACTION  stripe
    PENDING          succeed         SUCCEEDED        stripe
    PENDING          fail            FAILED           stripe
    REQUIRES_ACTION  pend            PENDING          stripe
    REQUIRES_ACTION  succeed         SUCCEEDED        stripe
    REQUIRES_ACTION  fail            FAILED           stripe
    SUCCEEDED        fail            FAILED           stripe
    FAILED           send_again      REQUESTED        operator
    FAILED           put_back        PUT_BACK         operator
    FAILED           pay_outside     PAID_OUTSIDE     operator
    REQUESTED        charge_back     CHARGED_BACK     operator
    CHARGED_BACK     take_back       PUT_BACK         stripe operator
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: RefundState, event: RefundEvent
) -> None:
    EXPECTED.check_pair(state, event)
