"""The states of a proposal: what one party asks, and the other has to agree to."""

from __future__ import annotations

from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge


class ProposalState(StrEnum):
    """What became of it."""

    OPEN = "OPEN"
    APPROVED = "APPROVED"
    DECLINED = "DECLINED"
    WITHDRAWN = "WITHDRAWN"  # by who had asked
    LAPSED = "LAPSED"  # nobody answered in time, or what it was about is over


class ProposalEvent(StrEnum):
    """What can happen to it."""

    APPROVE = "approve"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    LAPSE = "lapse"


S, E = ProposalState, ProposalEvent
PAYER, PAYEE, OPERATOR, TIMER = Party.PAYER, Party.PAYEE, Party.OPERATOR, Party.TIMER

PROPOSAL = Machine(
    "Proposal: what one party asks, and the other has to agree to",
    {
        # By the timer where the policy says that silence agrees.
        (S.OPEN, E.APPROVE): edge(S.APPROVED, PAYER, PAYEE, OPERATOR, TIMER),
        (S.OPEN, E.DECLINE): edge(S.DECLINED, PAYER, PAYEE, OPERATOR),
        (S.OPEN, E.WITHDRAW): edge(S.WITHDRAWN, PAYER, PAYEE),
        (S.OPEN, E.LAPSE): edge(S.LAPSED, *Party),
    },
    note="Who asks cannot approve or decline, and the other cannot withdraw",
)
