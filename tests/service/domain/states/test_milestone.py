"""The states of a milestone."""

import pytest

from service.domain.states.milestone import MILESTONE, MilestoneEvent, MilestoneState
from tests.service.domain.states.expected import Expected

EXPECTED = Expected(
    MILESTONE,
    MilestoneState,
    MilestoneEvent,
    """
    AWAITING_FUNDS  start_payment      AWAITING_FUNDS  payer operator service
    AWAITING_FUNDS  payment_succeeded  FUNDED          stripe
    AWAITING_FUNDS  apply_suspense     FUNDED          operator
    AWAITING_FUNDS  cancel             CANCELED        payer payee operator timer
    FUNDED          cancel_paid        REFUNDING       payer payee operator timer
    FUNDED          cancel_rest        RELEASING       payer payee operator timer
    DELIVERED       cancel_paid        REFUNDING       payer payee operator timer
    DELIVERED       cancel_rest        RELEASING       payer payee operator timer
    FUNDED     dispute_release      RELEASING  payer payee operator timer
    FUNDED     dispute_release_part FUNDED     payer payee operator timer
    FUNDED     dispute_refund       REFUNDING  payer payee operator timer
    FUNDED     dispute_refund_rest  RELEASING  payer payee operator timer
    FUNDED     dispute_refund_part  FUNDED     payer payee operator timer
    DELIVERED  dispute_release      RELEASING  payer payee operator timer
    DELIVERED  dispute_release_part DELIVERED  payer payee operator timer
    DELIVERED  dispute_refund       REFUNDING  payer payee operator timer
    DELIVERED  dispute_refund_rest  RELEASING  payer payee operator timer
    DELIVERED  dispute_refund_part  DELIVERED  payer payee operator timer
    AWAITING_FUNDS  expire             EXPIRED         timer
    FUNDED          deliver            DELIVERED       payee
    FUNDED          release            RELEASING       payer operator
    FUNDED          release_part       FUNDED          payer operator
    DELIVERED       request_changes    FUNDED          payer
    DELIVERED       accept             RELEASING       payer
    DELIVERED       accept_part        DELIVERED       payer
    DELIVERED       release            RELEASING       payer operator timer
    DELIVERED       release_part       DELIVERED       payer operator timer
    RELEASING       transferred        RELEASED        stripe payer payee operator timer
    FUNDED          refund_part        FUNDED          payee operator
    FUNDED          refund             REFUNDING       payee operator
    DELIVERED       refund_part        DELIVERED       payee operator
    DELIVERED       refund             REFUNDING       payee operator
    RELEASING       refund_part        RELEASING       payee operator
    RELEASING       refund             REFUNDING       payee operator
    RELEASED        refund_part        RELEASED        payee operator
    RELEASED        refund             REFUNDING       payee operator
    FUNDED          refund_rest        RELEASING       payee operator
    DELIVERED       refund_rest        RELEASING       payee operator
    REFUNDING       refund_done        REFUNDED        stripe operator
    REFUNDED        refund_failed      REFUNDING       stripe
    FUNDED          held_again         FUNDED          stripe operator
    FUNDED          delivered_again    DELIVERED       stripe operator
    FUNDED          released_again     RELEASING       stripe operator
    DELIVERED       held_again         FUNDED          stripe operator
    DELIVERED       delivered_again    DELIVERED       stripe operator
    DELIVERED       released_again     RELEASING       stripe operator
    RELEASING       held_again         FUNDED          stripe operator
    RELEASING       delivered_again    DELIVERED       stripe operator
    RELEASING       released_again     RELEASING       stripe operator
    RELEASED        held_again         FUNDED          stripe operator
    RELEASED        delivered_again    DELIVERED       stripe operator
    RELEASED        released_again     RELEASING       stripe operator
    REFUNDING       held_again         FUNDED          stripe operator
    REFUNDING       delivered_again    DELIVERED       stripe operator
    REFUNDING       released_again     RELEASING       stripe operator
    REFUNDED        held_again         FUNDED          stripe operator
    REFUNDED        delivered_again    DELIVERED       stripe operator
    REFUNDED        released_again     RELEASING       stripe operator
    """,
)


def test_every_expected_edge_is_of_known_states_events_and_parties() -> None:
    EXPECTED.check_names()


@pytest.mark.parametrize(("state", "event"), EXPECTED.pairs())
def test_each_party_may_cause_what_the_table_says_and_nothing_else(
    state: MilestoneState, event: MilestoneEvent
) -> None:
    EXPECTED.check_pair(state, event)


def test_nobody_decides_for_both_sides() -> None:
    delivered = EXPECTED.edges

    assert delivered["FUNDED", "deliver"][1] == {"payee"}
    assert delivered["DELIVERED", "accept"][1] == {"payer"}
