"""The tables of states, held against ledger.md section 4 and design.md section 7 as written here.

The expected tables are literal: nothing of them is read from the code they hold to account.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import combinations_with_replacement, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.call import Party
from service.domain.errors import PartyNotAllowed, WrongState
from service.domain.states.effect import EFFECT, EffectEvent, EffectState
from service.domain.states.escrow import (
    ESCROW,
    EscrowEvent,
    EscrowState,
    escrow_event,
    escrow_state,
)
from service.domain.states.machines import MACHINES
from service.domain.states.milestone import MILESTONE, MilestoneEvent, MilestoneState
from service.domain.states.payee import PAYEE, PayeeEvent, PayeeState
from service.domain.states.payment import (
    NO_FAILURE,
    PAYMENT,
    Failure,
    PaymentEvent,
    PaymentState,
    payment_moves,
)
from service.domain.states.payout import PAYOUT, PayoutEvent, PayoutState
from service.domain.states.release import RELEASE, ReleaseEvent, ReleaseState

# state, event, state after, the parties who may cause it
EXPECTED = {
    "milestone": """
        AWAITING_FUNDS  start_payment      AWAITING_FUNDS  payer operator service
        AWAITING_FUNDS  payment_succeeded  FUNDED          stripe
        AWAITING_FUNDS  cancel             CANCELED        payer payee operator
        FUNDED          deliver            DELIVERED       payee
        FUNDED          release            RELEASING       payer operator
        FUNDED          release_part       FUNDED          payer operator
        DELIVERED       request_changes    FUNDED          payer
        DELIVERED       accept             RELEASING       payer
        DELIVERED       accept_part        DELIVERED       payer
        DELIVERED       release            RELEASING       payer operator
        DELIVERED       release_part       DELIVERED       payer operator
        RELEASING       transferred        RELEASED        stripe payer operator
    """,
    "effect": """
        PLANNED    send      SENDING    stripe
        SENDING    send      SENDING    stripe
        UNKNOWN    send      SENDING    stripe
        SENDING    postpone  PLANNED    stripe
        SENDING    lose      UNKNOWN    stripe
        SENDING    succeed   SUCCEEDED  stripe
        UNKNOWN    succeed   SUCCEEDED  stripe
        SENDING    reject    REJECTED   stripe
        UNKNOWN    reject    REJECTED   stripe
        REJECTED   renew     PLANNED    timer operator service payer payee stripe
    """,
    "release": """
        WAITING    request_transfer     IN_FLIGHT    payer operator timer
        WAITING    nothing_to_transfer  TRANSFERRED  payer operator
        IN_FLIGHT  transfer_succeeded   TRANSFERRED  stripe
        IN_FLIGHT  transfer_rejected    WAITING      stripe
    """,
    "payment": """
        CREATING                 reject   REJECTED                 stripe
        CREATING                 cancel   CREATING                 payer payee operator service
        REQUIRES_PAYMENT_METHOD  cancel   REQUIRES_PAYMENT_METHOD  payer payee operator service
        REQUIRES_ACTION          cancel   REQUIRES_ACTION          payer payee operator service
        PROCESSING               cancel   PROCESSING               payer payee operator service
        REQUIRES_CAPTURE         cancel   REQUIRES_CAPTURE         payer payee operator service
        REQUIRES_CAPTURE         capture  REQUIRES_CAPTURE         payer operator service
        CREATING                 see_requires_payment_method     REQUIRES_PAYMENT_METHOD  stripe
        CREATING                 see_requires_action             REQUIRES_ACTION          stripe
        CREATING                 see_processing                  PROCESSING               stripe
        CREATING                 see_requires_capture            REQUIRES_CAPTURE         stripe
        CREATING                 see_canceled                    CANCELED                 stripe
        CREATING                 see_succeeded                   SUCCEEDED                stripe
        REQUIRES_PAYMENT_METHOD  see_requires_payment_method     REQUIRES_PAYMENT_METHOD  stripe
        REQUIRES_PAYMENT_METHOD  see_requires_action             REQUIRES_ACTION          stripe
        REQUIRES_PAYMENT_METHOD  see_processing                  PROCESSING               stripe
        REQUIRES_PAYMENT_METHOD  see_requires_capture            REQUIRES_CAPTURE         stripe
        REQUIRES_PAYMENT_METHOD  see_canceled                    CANCELED                 stripe
        REQUIRES_PAYMENT_METHOD  see_succeeded                   SUCCEEDED                stripe
        REQUIRES_ACTION          see_requires_payment_method     REQUIRES_PAYMENT_METHOD  stripe
        REQUIRES_ACTION          see_requires_action             REQUIRES_ACTION          stripe
        REQUIRES_ACTION          see_processing                  PROCESSING               stripe
        REQUIRES_ACTION          see_requires_capture            REQUIRES_CAPTURE         stripe
        REQUIRES_ACTION          see_canceled                    CANCELED                 stripe
        REQUIRES_ACTION          see_succeeded                   SUCCEEDED                stripe
        PROCESSING               see_requires_payment_method     REQUIRES_PAYMENT_METHOD  stripe
        PROCESSING               see_requires_action             REQUIRES_ACTION          stripe
        PROCESSING               see_processing                  PROCESSING               stripe
        PROCESSING               see_requires_capture            REQUIRES_CAPTURE         stripe
        PROCESSING               see_canceled                    CANCELED                 stripe
        PROCESSING               see_succeeded                   SUCCEEDED                stripe
        REQUIRES_CAPTURE         see_requires_payment_method     REQUIRES_PAYMENT_METHOD  stripe
        REQUIRES_CAPTURE         see_requires_action             REQUIRES_ACTION          stripe
        REQUIRES_CAPTURE         see_processing                  PROCESSING               stripe
        REQUIRES_CAPTURE         see_requires_capture            REQUIRES_CAPTURE         stripe
        REQUIRES_CAPTURE         see_canceled                    CANCELED                 stripe
        REQUIRES_CAPTURE         see_succeeded                   SUCCEEDED                stripe
        REJECTED                 see_canceled                    CANCELED                 stripe
        REJECTED                 see_succeeded                   SUCCEEDED                stripe
        CANCELED                 see_succeeded                   SUCCEEDED                stripe
    """,
    "payout": """
        REQUESTED   reject          REJECTED    stripe
        REQUESTED   see_pending     PENDING     stripe
        REQUESTED   see_in_transit  IN_TRANSIT  stripe
        REQUESTED   see_paid        PAID        stripe
        REQUESTED   see_canceled    CANCELED    stripe
        REQUESTED   see_failed      FAILED      stripe
        REJECTED    see_pending     PENDING     stripe
        REJECTED    see_in_transit  IN_TRANSIT  stripe
        REJECTED    see_paid        PAID        stripe
        REJECTED    see_canceled    CANCELED    stripe
        REJECTED    see_failed      FAILED      stripe
        PENDING     see_in_transit  IN_TRANSIT  stripe
        PENDING     see_paid        PAID        stripe
        PENDING     see_canceled    CANCELED    stripe
        PENDING     see_failed      FAILED      stripe
        IN_TRANSIT  see_paid        PAID        stripe
        IN_TRANSIT  see_canceled    CANCELED    stripe
        IN_TRANSIT  see_failed      FAILED      stripe
        PAID        see_canceled    CANCELED    stripe
        PAID        see_failed      FAILED      stripe
    """,
    "payee": """
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
    """,
    "escrow": """
        AWAITING_FUNDS  await_funds  AWAITING_FUNDS  payer payee operator service stripe timer
        AWAITING_FUNDS  activate     ACTIVE          payer payee operator service stripe timer
        AWAITING_FUNDS  complete     COMPLETED       payer payee operator service stripe timer
        AWAITING_FUNDS  cancel       CANCELED        payer payee operator service stripe timer
        ACTIVE          await_funds  AWAITING_FUNDS  payer payee operator service stripe timer
        ACTIVE          activate     ACTIVE          payer payee operator service stripe timer
        ACTIVE          complete     COMPLETED       payer payee operator service stripe timer
        ACTIVE          cancel       CANCELED        payer payee operator service stripe timer
        COMPLETED       await_funds  AWAITING_FUNDS  payer payee operator service stripe timer
        COMPLETED       activate     ACTIVE          payer payee operator service stripe timer
        COMPLETED       complete     COMPLETED       payer payee operator service stripe timer
        COMPLETED       cancel       CANCELED        payer payee operator service stripe timer
        CANCELED        await_funds  AWAITING_FUNDS  payer payee operator service stripe timer
        CANCELED        activate     ACTIVE          payer payee operator service stripe timer
        CANCELED        complete     COMPLETED       payer payee operator service stripe timer
        CANCELED        cancel       CANCELED        payer payee operator service stripe timer
    """,
}
TABLES: Mapping[str, tuple[Any, type[StrEnum], type[StrEnum]]] = {
    "milestone": (MILESTONE, MilestoneState, MilestoneEvent),
    "effect": (EFFECT, EffectState, EffectEvent),
    "release": (RELEASE, ReleaseState, ReleaseEvent),
    "payment": (PAYMENT, PaymentState, PaymentEvent),
    "payout": (PAYOUT, PayoutState, PayoutEvent),
    "payee": (PAYEE, PayeeState, PayeeEvent),
    "escrow": (ESCROW, EscrowState, EscrowEvent),
}
PRODUCT = [
    pytest.param(name, state, event, id=f"{name}-{state}-{event}")
    for name, (_, states, events) in TABLES.items()
    for state, event in product(states, events)
]


def expected_edges(name: str) -> dict[tuple[str, str], tuple[str, set[str]]]:
    rows = (line.split() for line in EXPECTED[name].strip().splitlines())
    return {(state, event): (to, set(parties)) for state, event, to, *parties in rows}


@pytest.mark.parametrize("name", TABLES)
def test_every_expected_edge_is_of_known_states_events_and_parties(name: str) -> None:
    _, states, events = TABLES[name]
    for (state, event), (to, parties) in expected_edges(name).items():
        assert {state, to} <= set(states)
        assert event in set(events)
        assert parties <= set(Party)


@pytest.mark.parametrize(("name", "state", "event"), PRODUCT)
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    name: str, state: StrEnum, event: StrEnum
) -> None:
    machine = TABLES[name][0]
    edge = expected_edges(name).get((state.value, event.value))

    for party in Party:
        if edge is None:
            with pytest.raises(WrongState) as wrong:
                machine.follow(state, event, party)
            assert wrong.value.metadata == {"state": state.value, "event": event.value}
        elif party.value in edge[1]:
            assert machine.follow(state, event, party) == edge[0]
        else:
            with pytest.raises(PartyNotAllowed) as refused:
                machine.follow(state, event, party)
            assert refused.value.metadata["party"] == party.value
            assert set(refused.value.metadata["allowed"].split(", ")) == edge[1]


def test_nobody_decides_for_both_sides() -> None:
    delivered = expected_edges("milestone")

    assert delivered["FUNDED", "deliver"][1] == {"payee"}
    assert delivered["DELIVERED", "accept"][1] == {"payer"}


def all_milestones(most: int) -> Sequence[tuple[MilestoneState, ...]]:
    return [
        states
        for count in range(1, most + 1)
        for states in combinations_with_replacement(MilestoneState, count)
    ]


def test_an_escrow_is_where_its_milestones_are() -> None:
    for states in all_milestones(most=6):
        holds_money = {"FUNDED", "DELIVERED", "RELEASING"} & set(states)
        waits, released = "AWAITING_FUNDS" in states, "RELEASED" in states
        if holds_money or (waits and released):
            expected = EscrowState.ACTIVE
        elif waits:
            expected = EscrowState.AWAITING_FUNDS
        elif released:
            expected = EscrowState.COMPLETED
        else:
            expected = EscrowState.CANCELED

        assert escrow_state(states) is expected, states
        assert escrow_state(reversed(states)) is expected, states


START = datetime(2026, 11, 20, 12, tzinfo=UTC)
ENDED = {PaymentState.SUCCEEDED, PaymentState.CANCELED, PaymentState.REJECTED}
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
        for end in (PaymentState.SUCCEEDED, PaymentState.CANCELED, PaymentState.REJECTED)
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


def test_every_machine_is_held_to_account_here() -> None:
    assert {id(machine) for machine in MACHINES} == {id(machine) for machine, *_ in TABLES.values()}


def test_the_event_of_an_escrow_leads_to_where_its_milestones_are() -> None:
    for states in all_milestones(most=4):
        for before in EscrowState:
            after = ESCROW.follow(before, escrow_event(states), Party.TIMER)
            assert after is escrow_state(states)
