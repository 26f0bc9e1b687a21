"""The states of a receivable."""

from __future__ import annotations

from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge


class ReceivableState(StrEnum):
    """What a payee owes, because their share was refunded after it had left."""

    OWED = "OWED"
    REVERSING = "REVERSING"  # the reversal of the transfer is under way
    SETTLED = "SETTLED"


class ReceivableEvent(StrEnum):
    """What can happen to a receivable."""

    REVERSE = "reverse"
    REVERSED = "reversed"  # with a rest that is owed
    REVERSAL_REJECTED = "reversal_rejected"
    SETTLE = "settle"  # nothing is owed any more


V, VE = ReceivableState, ReceivableEvent

RECEIVABLE = Machine(
    "Receivable: what a payee owes",
    {
        (V.OWED, VE.REVERSE): edge(V.REVERSING, Party.TIMER),
        (V.REVERSING, VE.REVERSED): edge(V.OWED, Party.STRIPE),
        (V.REVERSING, VE.REVERSAL_REJECTED): edge(V.OWED, Party.STRIPE),
        (V.REVERSING, VE.SETTLE): edge(V.SETTLED, Party.STRIPE),
        # By a later release, or because the refund did not take place, or written off.
        (V.OWED, VE.SETTLE): edge(V.SETTLED, *Party),
    },
)
