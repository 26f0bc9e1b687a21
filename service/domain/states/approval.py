"""The states of an approval."""

from __future__ import annotations

from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge


class ApprovalState(StrEnum):
    """What became of it. One that nobody decides in time stays WAITING, and is expired by that."""

    WAITING = "WAITING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class ApprovalEvent(StrEnum):
    """What a second person says."""

    APPROVE = "approve"
    REJECT = "reject"


V, VE = ApprovalState, ApprovalEvent

APPROVAL = Machine(
    "Approval: what waits for a second person",
    {
        (V.WAITING, VE.APPROVE): edge(V.APPROVED, Party.OPERATOR),
        (V.WAITING, VE.REJECT): edge(V.REJECTED, Party.OPERATOR),
    },
)
