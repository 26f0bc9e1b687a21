"""The states of a release."""

import pytest

from service.domain.states.release import RELEASE, ReleaseEvent, ReleaseState
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    RELEASE,
    ReleaseState,
    ReleaseEvent,
    """
    WAITING    request_transfer     IN_FLIGHT    payer payee operator timer
    WAITING    nothing_to_transfer  TRANSFERRED  payer payee operator timer stripe
    WAITING    return               RETURNED     payee operator stripe
    IN_FLIGHT  transfer_succeeded   TRANSFERRED  stripe
    IN_FLIGHT  transfer_rejected    WAITING      stripe
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: ReleaseState, event: ReleaseEvent
) -> None:
    EXPECTED.check_pair(state, event)
