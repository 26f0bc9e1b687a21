"""The states of an escrow, which follow from its milestones'."""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import pytest

from service.domain.call import Party
from service.domain.states.escrow import (
    ESCROW,
    EscrowEvent,
    EscrowState,
    escrow_event,
    escrow_state,
)
from service.domain.states.milestone import MilestoneState
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    ESCROW,
    EscrowState,
    EscrowEvent,
    """
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
    AWAITING_FUNDS  refund       REFUNDED        payer payee operator service stripe timer
    ACTIVE          refund       REFUNDED        payer payee operator service stripe timer
    COMPLETED       refund       REFUNDED        payer payee operator service stripe timer
    CANCELED        refund       REFUNDED        payer payee operator service stripe timer
    REFUNDED        await_funds  AWAITING_FUNDS  payer payee operator service stripe timer
    REFUNDED        activate     ACTIVE          payer payee operator service stripe timer
    REFUNDED        complete     COMPLETED       payer payee operator service stripe timer
    REFUNDED        cancel       CANCELED        payer payee operator service stripe timer
    REFUNDED        refund       REFUNDED        payer payee operator service stripe timer
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: EscrowState, event: EscrowEvent
) -> None:
    EXPECTED.check_pair(state, event)


def all_milestones(most: int) -> Sequence[tuple[MilestoneState, ...]]:
    return [
        states
        for count in range(1, most + 1)
        for states in combinations_with_replacement(MilestoneState, count)
    ]


def test_an_escrow_is_where_its_milestones_are() -> None:
    for states in all_milestones(most=6):
        holds_money = {"FUNDED", "DELIVERED", "RELEASING", "REFUNDING"} & set(states)
        waits, released = "AWAITING_FUNDS" in states, "RELEASED" in states
        refunded = "REFUNDED" in states
        if holds_money or (waits and (released or refunded)):
            expected = EscrowState.ACTIVE
        elif waits:
            expected = EscrowState.AWAITING_FUNDS
        elif released:
            expected = EscrowState.COMPLETED
        elif refunded:
            expected = EscrowState.REFUNDED
        else:
            expected = EscrowState.CANCELED

        assert escrow_state(states) is expected, states
        assert escrow_state(reversed(states)) is expected, states


def test_the_event_of_an_escrow_leads_to_where_its_milestones_are() -> None:
    for states in all_milestones(most=4):
        for before in EscrowState:
            after = ESCROW.follow("esc_1", before, escrow_event(states), Party.TIMER)
            assert after is escrow_state(states)
