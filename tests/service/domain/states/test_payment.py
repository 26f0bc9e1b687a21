"""The states of a payment, and in which order they are heard of."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.states.payment import (
    NO_FAILURE,
    PAYMENT,
    Failure,
    PaymentEvent,
    PaymentState,
    payment_moves,
)
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    PAYMENT,
    PaymentState,
    PaymentEvent,
    """
    CREATING                 reject   REJECTED                 stripe
    CREATING                 cancel   CREATING                 payer payee operator service timer
    REQUIRES_PAYMENT_METHOD  cancel   REQUIRES_PAYMENT_METHOD  payer payee operator service timer
    REQUIRES_ACTION          cancel   REQUIRES_ACTION          payer payee operator service timer
    PROCESSING               cancel   PROCESSING               payer payee operator service timer
    REQUIRES_CAPTURE         cancel   REQUIRES_CAPTURE         payer payee operator service timer
    REQUIRES_CAPTURE         capture  REQUIRES_CAPTURE         payer operator service
    CREATING                 see_requires_payment_method     REQUIRES_PAYMENT_METHOD  stripe
    CREATING                 see_requires_action             REQUIRES_ACTION          stripe
    CREATING                 see_processing                  PROCESSING               stripe
    CREATING                 see_requires_capture            REQUIRES_CAPTURE         stripe
    CREATING                 see_failed                      FAILED                   stripe
    CREATING                 see_canceled                    CANCELED                 stripe
    CREATING                 see_succeeded                   SUCCEEDED                stripe
    REQUIRES_PAYMENT_METHOD  see_requires_payment_method     REQUIRES_PAYMENT_METHOD  stripe
    REQUIRES_PAYMENT_METHOD  see_requires_action             REQUIRES_ACTION          stripe
    REQUIRES_PAYMENT_METHOD  see_processing                  PROCESSING               stripe
    REQUIRES_PAYMENT_METHOD  see_requires_capture            REQUIRES_CAPTURE         stripe
    REQUIRES_PAYMENT_METHOD  see_failed                      FAILED                   stripe
    REQUIRES_PAYMENT_METHOD  see_canceled                    CANCELED                 stripe
    REQUIRES_PAYMENT_METHOD  see_succeeded                   SUCCEEDED                stripe
    REQUIRES_ACTION          see_requires_payment_method     REQUIRES_PAYMENT_METHOD  stripe
    REQUIRES_ACTION          see_requires_action             REQUIRES_ACTION          stripe
    REQUIRES_ACTION          see_processing                  PROCESSING               stripe
    REQUIRES_ACTION          see_requires_capture            REQUIRES_CAPTURE         stripe
    REQUIRES_ACTION          see_failed                      FAILED                   stripe
    REQUIRES_ACTION          see_canceled                    CANCELED                 stripe
    REQUIRES_ACTION          see_succeeded                   SUCCEEDED                stripe
    PROCESSING               see_requires_payment_method     REQUIRES_PAYMENT_METHOD  stripe
    PROCESSING               see_requires_action             REQUIRES_ACTION          stripe
    PROCESSING               see_processing                  PROCESSING               stripe
    PROCESSING               see_requires_capture            REQUIRES_CAPTURE         stripe
    PROCESSING               see_failed                      FAILED                   stripe
    PROCESSING               see_canceled                    CANCELED                 stripe
    PROCESSING               see_succeeded                   SUCCEEDED                stripe
    REQUIRES_CAPTURE         see_requires_payment_method     REQUIRES_PAYMENT_METHOD  stripe
    REQUIRES_CAPTURE         see_requires_action             REQUIRES_ACTION          stripe
    REQUIRES_CAPTURE         see_processing                  PROCESSING               stripe
    REQUIRES_CAPTURE         see_requires_capture            REQUIRES_CAPTURE         stripe
    REQUIRES_CAPTURE         see_failed                      FAILED                   stripe
    REQUIRES_CAPTURE         see_canceled                    CANCELED                 stripe
    REQUIRES_CAPTURE         see_succeeded                   SUCCEEDED                stripe
    REJECTED                 see_failed                      FAILED                   stripe
    REJECTED                 see_canceled                    CANCELED                 stripe
    REJECTED                 see_succeeded                   SUCCEEDED                stripe
    FAILED                   see_canceled                    CANCELED                 stripe
    FAILED                   see_succeeded                   SUCCEEDED                stripe
    CANCELED                 see_succeeded                   SUCCEEDED                stripe
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: PaymentState, event: PaymentEvent
) -> None:
    EXPECTED.check_pair(state, event)


START = datetime(2026, 11, 20, 12, tzinfo=UTC)
ENDED = {PaymentState.SUCCEEDED, PaymentState.CANCELED, PaymentState.FAILED, PaymentState.REJECTED}
Telling = tuple[PaymentState, datetime, Failure]
# Few seconds and failures, so that most lists have ties: Stripe's clock ticks in seconds.
TELLINGS = st.lists(
    st.tuples(
        st.sampled_from([state for state in PaymentState if state is not PaymentState.CREATING]),
        st.integers(0, 3).map(lambda second: START + timedelta(seconds=second)),
        st.sampled_from([NO_FAILURE, ("card_declined", "", "No."), ("expired_card", "", "Old.")]),
    ),
    min_size=1,
    max_size=8,
)


def hear(tellings: Sequence[Telling]) -> tuple[PaymentState, datetime | None, Failure]:
    """What is known after these tellings in this order."""
    state, observed_at, failure = PaymentState.CREATING, None, NO_FAILURE
    for told, told_at, told_failure in tellings:
        if payment_moves(
            state, observed_at, told, told_at, known_failure=failure, seen_failure=told_failure
        ):
            state, observed_at, failure = told, told_at, told_failure
    return state, observed_at, failure


@given(TELLINGS, st.data())
def test_any_order_with_any_duplicates_ends_in_the_same_state(
    tellings: list[Telling], data: st.DataObject
) -> None:
    repeats = data.draw(st.lists(st.sampled_from(tellings), max_size=8))
    shuffled = data.draw(st.permutations(tellings + repeats))

    known, known_otherwise = hear(tellings), hear(shuffled)

    assert known_otherwise[0] is known[0]
    # Several tellings of one end may differ in their times: the first that was heard stays, and
    # nothing compares with it any more.
    assert known[0] in ENDED or known_otherwise == known


@given(TELLINGS)
def test_an_end_is_final_and_success_is_the_last_word(tellings: list[Telling]) -> None:
    told = {state for state, *_ in tellings}
    ends = [
        end
        for end in (
            PaymentState.SUCCEEDED,
            PaymentState.CANCELED,
            PaymentState.FAILED,
            PaymentState.REJECTED,
        )
        if end in told
    ]
    state, *_ = hear(tellings)

    assert state is ends[0] if ends else state not in ENDED


@given(TELLINGS)
def test_the_latest_news_counts_while_a_payment_is_open(tellings: list[Telling]) -> None:
    tellings = [telling for telling in tellings if telling[0] not in ENDED]
    _, observed_at, _ = known = hear(tellings)

    assert observed_at == max((told_at for _, told_at, _ in tellings), default=None)
    assert not tellings or known in tellings


def test_a_late_failure_never_overwrites_a_success() -> None:
    later = START + timedelta(days=1)

    for told in PaymentState:
        assert not payment_moves(PaymentState.SUCCEEDED, START, told, later)


def test_the_same_telling_is_no_news() -> None:
    for state in PaymentState:
        assert not payment_moves(state, START, state, START)
