"""The states of an approval."""

import pytest

from service.domain.states.approval import APPROVAL, ApprovalEvent, ApprovalState
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    APPROVAL,
    ApprovalState,
    ApprovalEvent,
    """
    WAITING    approve            APPROVED   operator
    WAITING    reject             REJECTED   operator
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: ApprovalState, event: ApprovalEvent
) -> None:
    EXPECTED.check_pair(state, event)
