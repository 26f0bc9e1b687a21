"""The states of a proposal."""

import pytest

from service.domain.states.proposal import PROPOSAL, ProposalEvent, ProposalState
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    PROPOSAL,
    ProposalState,
    ProposalEvent,
    """
    OPEN  approve   APPROVED   payer payee operator timer
    OPEN  decline   DECLINED   payer payee operator
    OPEN  withdraw  WITHDRAWN  payer payee
    OPEN  lapse     LAPSED     payer payee operator service stripe timer
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: ProposalState, event: ProposalEvent
) -> None:
    EXPECTED.check_pair(state, event)
