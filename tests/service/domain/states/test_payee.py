"""The states of a payee."""

import pytest

from service.domain.states.payee import PAYEE, PayeeEvent, PayeeState
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    PAYEE,
    PayeeState,
    PayeeEvent,
    """
    NONE          see_onboarding    ONBOARDING    stripe
    NONE          see_restricted    RESTRICTED    stripe
    NONE          see_active        ACTIVE        stripe
    NONE          see_rejected      REJECTED      stripe
    NONE          see_deauthorized  DEAUTHORIZED  stripe
    ONBOARDING    see_onboarding    ONBOARDING    stripe
    ONBOARDING    see_restricted    RESTRICTED    stripe
    ONBOARDING    see_active        ACTIVE        stripe
    ONBOARDING    see_rejected      REJECTED      stripe
    ONBOARDING    see_deauthorized  DEAUTHORIZED  stripe
    RESTRICTED    see_onboarding    RESTRICTED    stripe
    RESTRICTED    see_restricted    RESTRICTED    stripe
    RESTRICTED    see_active        ACTIVE        stripe
    RESTRICTED    see_rejected      REJECTED      stripe
    RESTRICTED    see_deauthorized  DEAUTHORIZED  stripe
    ACTIVE        see_onboarding    RESTRICTED    stripe
    ACTIVE        see_restricted    RESTRICTED    stripe
    ACTIVE        see_active        ACTIVE        stripe
    ACTIVE        see_rejected      REJECTED      stripe
    ACTIVE        see_deauthorized  DEAUTHORIZED  stripe
    REJECTED      see_onboarding    ONBOARDING    stripe
    REJECTED      see_restricted    RESTRICTED    stripe
    REJECTED      see_active        ACTIVE        stripe
    REJECTED      see_rejected      REJECTED      stripe
    REJECTED      see_deauthorized  DEAUTHORIZED  stripe
    DEAUTHORIZED  see_onboarding    DEAUTHORIZED  stripe
    DEAUTHORIZED  see_restricted    DEAUTHORIZED  stripe
    DEAUTHORIZED  see_active        DEAUTHORIZED  stripe
    DEAUTHORIZED  see_rejected      DEAUTHORIZED  stripe
    DEAUTHORIZED  see_deauthorized  DEAUTHORIZED  stripe
    REJECTED      correct_data      NONE          timer operator service payer payee stripe
    REJECTED      replace_account   NONE          payee operator
    DEAUTHORIZED  replace_account   NONE          payee operator
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: PayeeState, event: PayeeEvent
) -> None:
    EXPECTED.check_pair(state, event)
