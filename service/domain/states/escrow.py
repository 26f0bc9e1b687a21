"""The states of an escrow: derived from its milestones, in the commit that moves one of them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge
from service.domain.states.milestone import MilestoneState


class EscrowState(StrEnum):
    """Where an escrow is, derived from its milestones."""

    AWAITING_FUNDS = "AWAITING_FUNDS"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    REFUNDED = "REFUNDED"


class EscrowEvent(StrEnum):
    """What a change of a milestone makes of its escrow."""

    AWAIT_FUNDS = "await_funds"
    ACTIVATE = "activate"
    COMPLETE = "complete"
    CANCEL = "cancel"
    REFUND = "refund"


EVENT_OF: dict[EscrowState, EscrowEvent] = {
    EscrowState.AWAITING_FUNDS: EscrowEvent.AWAIT_FUNDS,
    EscrowState.ACTIVE: EscrowEvent.ACTIVATE,
    EscrowState.COMPLETED: EscrowEvent.COMPLETE,
    EscrowState.CANCELED: EscrowEvent.CANCEL,
    EscrowState.REFUNDED: EscrowEvent.REFUND,
}

NEVER_PAID = frozenset({MilestoneState.CANCELED, MilestoneState.EXPIRED})

# Any party: who may move a milestone is said by the milestone's machine.
ESCROW = Machine(
    "Escrow, derived from its milestones",
    {(state, event): edge(to, *Party) for state in EscrowState for to, event in EVENT_OF.items()},
)


def escrow_state(milestones: Iterable[MilestoneState]) -> EscrowState:
    """Where an escrow is, given the states of all its milestones."""
    paid_for = set(milestones) - NEVER_PAID
    if not paid_for:
        return EscrowState.CANCELED
    if paid_for <= {MilestoneState.REFUNDED}:
        return EscrowState.REFUNDED
    if paid_for <= {MilestoneState.REFUNDED, MilestoneState.RELEASED}:
        return EscrowState.COMPLETED
    if paid_for <= {MilestoneState.AWAITING_FUNDS}:
        return EscrowState.AWAITING_FUNDS
    return EscrowState.ACTIVE


def escrow_event(milestones: Iterable[MilestoneState]) -> EscrowEvent:
    """What has happened to an escrow, given the states of all its milestones."""
    return EVENT_OF[escrow_state(milestones)]
