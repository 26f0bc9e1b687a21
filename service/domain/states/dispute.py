"""The states of a dispute between the payer and the payee."""

from __future__ import annotations

from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge


class DisputeState(StrEnum):
    """Whose turn it is, and how it ended."""

    OPEN = "OPEN"  # the other party has not answered
    NEGOTIATION = "NEGOTIATION"  # the parties offer each other a split
    MEDIATION = "MEDIATION"  # an operator decides
    RESOLVED = "RESOLVED"  # the parties agreed, or an operator decided
    WITHDRAWN = "WITHDRAWN"  # by who had opened it
    DEFAULTED = "DEFAULTED"  # nobody decided in time, or the bank took all of it


class DisputeEvent(StrEnum):
    """What can happen to it."""

    CONCEDE = "concede"
    CONTEST = "contest"
    OFFER = "offer"
    AGREE = "agree"
    MEDIATE = "mediate"
    RESOLVE = "resolve"
    WITHDRAW = "withdraw"
    DEFAULT = "default"
    EXHAUST = "exhaust"  # a payer's bank, or a refund at Stripe, took all that was disputed


S, E = DisputeState, DisputeEvent
PAYER, PAYEE, OPERATOR = Party.PAYER, Party.PAYEE, Party.OPERATOR
STRIPE, TIMER = Party.STRIPE, Party.TIMER
OPEN_STATES = (S.OPEN, S.NEGOTIATION, S.MEDIATION)
"""In which what is disputed does not move."""

DISPUTE = Machine(
    "Dispute between the parties: what becomes of money that both want",
    {
        (S.OPEN, E.CONCEDE): edge(S.RESOLVED, PAYER, PAYEE),
        (S.OPEN, E.CONTEST): edge(S.NEGOTIATION, PAYER, PAYEE),
        # By the timer where the policy says that silence decides nothing.
        (S.OPEN, E.MEDIATE): edge(S.MEDIATION, TIMER),
        (S.OPEN, E.DEFAULT): edge(S.DEFAULTED, TIMER),
        (S.NEGOTIATION, E.OFFER): edge(S.NEGOTIATION, PAYER, PAYEE),
        (S.NEGOTIATION, E.AGREE): edge(S.RESOLVED, PAYER, PAYEE),
        (S.NEGOTIATION, E.MEDIATE): edge(S.MEDIATION, PAYER, PAYEE, TIMER),
        (S.MEDIATION, E.OFFER): edge(S.MEDIATION, PAYER, PAYEE),
        (S.MEDIATION, E.AGREE): edge(S.RESOLVED, PAYER, PAYEE),
        (S.MEDIATION, E.DEFAULT): edge(S.DEFAULTED, TIMER),
        **{(state, E.RESOLVE): edge(S.RESOLVED, OPERATOR) for state in OPEN_STATES},
        **{(state, E.WITHDRAW): edge(S.WITHDRAWN, PAYER, PAYEE) for state in OPEN_STATES},
        **{(state, E.EXHAUST): edge(S.DEFAULTED, OPERATOR, STRIPE) for state in OPEN_STATES},
    },
    note="Who opened it cannot concede or contest, and the other cannot withdraw; nobody accepts"
    " their own offer",
)
