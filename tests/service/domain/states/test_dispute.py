"""The states of a dispute between the parties."""

import pytest

from service.domain.states.dispute import DISPUTE, DisputeEvent, DisputeState
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    DISPUTE,
    DisputeState,
    DisputeEvent,
    """
    OPEN         concede   RESOLVED     payer payee
    OPEN         contest   NEGOTIATION  payer payee
    OPEN         mediate   MEDIATION    timer
    OPEN         default   DEFAULTED    timer
    NEGOTIATION  offer     NEGOTIATION  payer payee
    NEGOTIATION  agree     RESOLVED     payer payee
    NEGOTIATION  mediate   MEDIATION    payer payee timer
    MEDIATION    offer     MEDIATION    payer payee
    MEDIATION    agree     RESOLVED     payer payee
    MEDIATION    default   DEFAULTED    timer
    OPEN         resolve   RESOLVED     operator
    NEGOTIATION  resolve   RESOLVED     operator
    MEDIATION    resolve   RESOLVED     operator
    OPEN         withdraw  WITHDRAWN    payer payee
    NEGOTIATION  withdraw  WITHDRAWN    payer payee
    MEDIATION    withdraw  WITHDRAWN    payer payee
    OPEN         exhaust   DEFAULTED    operator stripe
    NEGOTIATION  exhaust   DEFAULTED    operator stripe
    MEDIATION    exhaust   DEFAULTED    operator stripe
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: DisputeState, event: DisputeEvent
) -> None:
    EXPECTED.check_pair(state, event)
