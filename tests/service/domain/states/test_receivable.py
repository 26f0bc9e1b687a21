"""The states of a receivable."""

import pytest

from service.domain.states.receivable import RECEIVABLE, ReceivableEvent, ReceivableState
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    RECEIVABLE,
    ReceivableState,
    ReceivableEvent,
    """
    OWED       reverse            REVERSING  timer
    OWED       settle             SETTLED    payer payee operator service stripe timer
    REVERSING  reversed           OWED       stripe
    REVERSING  reversal_rejected  OWED       stripe
    REVERSING  settle             SETTLED    stripe
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: ReceivableState, event: ReceivableEvent
) -> None:
    EXPECTED.check_pair(state, event)
