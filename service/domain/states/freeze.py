"""The states of a freeze."""

from __future__ import annotations

from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge


class FreezeState(StrEnum):
    """An amount that may not move."""

    OPEN = "OPEN"
    LIFTED = "LIFTED"


class FreezeEvent(StrEnum):
    """What can happen to a freeze."""

    LIFT = "lift"
    END_DISPUTE = "end_dispute"  # the parties' dispute that froze it is over


FREEZE = Machine(
    "Freeze: an amount that may not move. It is no state of the milestone: lifted, it leaves the"
    " milestone as it was",
    {
        (FreezeState.OPEN, FreezeEvent.LIFT): edge(
            FreezeState.LIFTED, Party.OPERATOR, Party.STRIPE
        ),
        (FreezeState.OPEN, FreezeEvent.END_DISPUTE): edge(
            *(FreezeState.LIFTED, Party.PAYER, Party.PAYEE, Party.OPERATOR),
            *(Party.STRIPE, Party.TIMER),
        ),
    },
)
