"""The states of an effect."""

from __future__ import annotations

from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge


class EffectState(StrEnum):
    """A call to Stripe that must happen exactly once."""

    PLANNED = "PLANNED"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    SUCCEEDED = "SUCCEEDED"
    REJECTED = "REJECTED"


class EffectEvent(StrEnum):
    """What can happen to an effect."""

    SEND = "send"  # a worker holds the lease; the attempt is recorded before the call
    POSTPONE = "postpone"  # certainly not executed: rate limit, refused credentials
    LOSE = "lose"  # the outcome is unknown: timeout, 5xx, cut connection, crash
    SUCCEED = "succeed"
    REJECT = "reject"
    WITHDRAW = "withdraw"  # it was not sent, and must not be any more
    RETRY = "retry"  # an operator asks for it to be looked up now
    RENEW = "renew"  # asked for again after a rejection, under the next generation's key
    REPEAT = "repeat"  # the same after a success, with other parameters


# Stripe may have been asked, and has not answered yet.
SENT = frozenset({EffectState.SENDING, EffectState.UNKNOWN})
OPEN = SENT | {EffectState.PLANNED}

E, EE = EffectState, EffectEvent
STRIPE = Party.STRIPE

# The lease in store/effects.py is SEND: it finds and takes an effect in one statement.
EFFECT = Machine(
    "Effect: a call to Stripe that must happen exactly once",
    {
        (E.PLANNED, EE.SEND): edge(E.SENDING, STRIPE),
        (E.UNKNOWN, EE.SEND): edge(E.SENDING, STRIPE),
        (E.SENDING, EE.SEND): edge(E.SENDING, STRIPE),  # the lease ran out: its worker died
        (E.SENDING, EE.POSTPONE): edge(E.PLANNED, STRIPE),
        (E.SENDING, EE.LOSE): edge(E.UNKNOWN, STRIPE),
        (E.SENDING, EE.SUCCEED): edge(E.SUCCEEDED, STRIPE),
        (E.UNKNOWN, EE.SUCCEED): edge(E.SUCCEEDED, STRIPE),
        (E.SENDING, EE.REJECT): edge(E.REJECTED, STRIPE),
        (E.UNKNOWN, EE.REJECT): edge(E.REJECTED, STRIPE),
        (E.PLANNED, EE.RETRY): edge(E.PLANNED, Party.OPERATOR),
        (E.UNKNOWN, EE.RETRY): edge(E.UNKNOWN, Party.OPERATOR),
        (E.PLANNED, EE.WITHDRAW): edge(E.REJECTED, STRIPE),
        (E.REJECTED, EE.RENEW): edge(E.PLANNED, *Party),
        (E.SUCCEEDED, EE.REPEAT): edge(E.PLANNED, *Party),
    },
)
