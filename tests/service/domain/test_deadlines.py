"""What runs against time, and that no wait is without an end."""

from datetime import timedelta
from typing import Any

import pytest

from service.domain.call import Party
from service.domain.deadlines import AT_WORK, WITH_STRIPE, pause_after, running
from service.domain.records.deadline import DeadlineKind as K
from service.domain.states.milestone import MILESTONE
from service.domain.states.milestone import MilestoneState as M
from tests.records import new_escrow, new_milestone, new_payee, new_payer


def kinds(*states: M) -> list[tuple[K, int | None]]:
    """What runs while the milestones are in these states, by the place of the milestone."""
    escrow = new_escrow(new_payer(), new_payee())
    milestones = [new_milestone(escrow, state=state) for state in states]
    places: dict[Any, int] = {m.milestone_id: place for place, m in enumerate(milestones)}
    return [(kind, places.get(of)) for kind, of in running(escrow.escrow_id, milestones)]


@pytest.mark.parametrize("state", M)
def test_every_state_that_waits_for_people_has_a_deadline_and_no_other_has(state: M) -> None:
    """An end is what only a correction leaves; what waits for Stripe the workers look after."""
    people = {Party.PAYER, Party.PAYEE, Party.TIMER}
    waits = people & MILESTONE.open_to(state).keys() and state not in WITH_STRIPE
    moves_on = any(
        before is state and edge.to is not state and edge.parties & people
        for (before, event), edge in MILESTONE.edges.items()
        if not event.startswith("refund")  # which a payee may do for ever
    )

    apart_from_limit = [kind for kind, _ in kinds(state) if kind is not K.HOLD_LIMIT]
    assert bool(apart_from_limit) == bool(waits and moves_on)


@pytest.mark.parametrize("state", M)
def test_the_limit_of_stripe_runs_while_the_money_is_held(state: M) -> None:
    held = {M.FUNDED, M.DELIVERED, M.RELEASING, M.REFUNDING}
    assert ((K.HOLD_LIMIT, 0) in kinds(state)) is (state in held)


def test_what_runs_in_each_state() -> None:
    assert kinds(M.AWAITING_FUNDS, M.AWAITING_FUNDS) == [(K.PAYMENT, None)]
    assert kinds(M.FUNDED) == [(K.DELIVERY, 0), (K.HOLD_LIMIT, 0)]
    assert kinds(M.DELIVERED) == [(K.INSPECTION, 0), (K.HOLD_LIMIT, 0)]


@pytest.mark.parametrize("busy", AT_WORK)
def test_a_part_that_is_paid_later_waits_for_the_one_at_work(busy: M) -> None:
    assert (K.PAYMENT, None) not in kinds(busy, M.AWAITING_FUNDS)


@pytest.mark.parametrize("ended", sorted(set(M) - AT_WORK.keys()))
def test_a_part_that_is_to_be_paid_next_does_not_wait_for_ever(ended: M) -> None:
    assert (K.PAYMENT, None) in kinds(ended, M.AWAITING_FUNDS)


def test_what_is_refused_again_and_again_is_tried_ever_less() -> None:
    pauses = [pause_after(tries) for tries in range(12)]

    assert pauses[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert pauses[-1] == timedelta(hours=6)
