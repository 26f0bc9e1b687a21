"""The states of an effect."""

import pytest

from service.domain.states.effect import EFFECT, EffectEvent, EffectState
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    EFFECT,
    EffectState,
    EffectEvent,
    """
    PLANNED    send      SENDING    stripe
    SENDING    send      SENDING    stripe
    UNKNOWN    send      SENDING    stripe
    SENDING    postpone  PLANNED    stripe
    SENDING    lose      UNKNOWN    stripe
    SENDING    succeed   SUCCEEDED  stripe
    UNKNOWN    succeed   SUCCEEDED  stripe
    SENDING    reject    REJECTED   stripe
    UNKNOWN    reject    REJECTED   stripe
    PLANNED    retry     PLANNED    operator
    UNKNOWN    retry     UNKNOWN    operator
    PLANNED    withdraw  REJECTED   stripe
    REJECTED   renew     PLANNED    timer operator service payer payee stripe
    SUCCEEDED  repeat    PLANNED    timer operator service payer payee stripe
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: EffectState, event: EffectEvent
) -> None:
    EXPECTED.check_pair(state, event)
