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
from service.domain.lifecycle import (
    EFFECT,
    MILESTONE,
    NO_FAILURE,
    PAYMENT,
    RELEASE,
    EffectEvent,
    EffectState,
    EscrowState,
    Failure,
    MilestoneEvent,
    MilestoneState,
    PaymentEvent,
    PaymentState,
    PayoutState,
    ReleaseEvent,
    ReleaseState,
    escrow_state,
    follow,
    payment_moves,
    payout_moves,
)

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
    """,
}
TABLES: Mapping[str, tuple[Any, type[StrEnum], type[StrEnum]]] = {
    "milestone": (MILESTONE, MilestoneState, MilestoneEvent),
    "effect": (EFFECT, EffectState, EffectEvent),
    "release": (RELEASE, ReleaseState, ReleaseEvent),
    "payment": (PAYMENT, PaymentState, PaymentEvent),
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
    table = TABLES[name][0]
    edge = expected_edges(name).get((state.value, event.value))

    for party in Party:
        if edge is None:
            with pytest.raises(WrongState) as wrong:
                follow(table, state, event, party)
            assert wrong.value.metadata == {"state": state.value, "event": event.value}
        elif party.value in edge[1]:
            assert follow(table, state, event, party) == edge[0]
        else:
            with pytest.raises(PartyNotAllowed) as refused:
                follow(table, state, event, party)
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
PAYOUT_ORDER = "REQUESTED REJECTED PENDING IN_TRANSIT PAID CANCELED FAILED"
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
            state, observed_at, told, told_at, seen_failure=failure, told_failure=told_failure
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


def test_a_payout_only_moves_forward_and_paid_is_not_final() -> None:
    in_order = [PayoutState(name) for name in PAYOUT_ORDER.split()]
    assert set(in_order) == set(PayoutState)

    for (place, seen), (other, told) in product(enumerate(in_order), repeat=2):
        assert payout_moves(seen, told) is (other > place)
