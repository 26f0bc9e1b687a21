"""The states of a freeze."""

import pytest

from service.domain.states.freeze import FREEZE, FreezeEvent, FreezeState
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    FREEZE,
    FreezeState,
    FreezeEvent,
    """
    OPEN  lift         LIFTED  operator stripe
    OPEN  end_dispute  LIFTED  payer payee operator stripe timer
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: FreezeState, event: FreezeEvent
) -> None:
    EXPECTED.check_pair(state, event)
