"""The states of a payee's account at Stripe."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge


class PayeeState(StrEnum):
    """A payee's account at Stripe. ACTIVE means: the transfers capability is active."""

    NONE = "NONE"
    ONBOARDING = "ONBOARDING"
    RESTRICTED = "RESTRICTED"
    ACTIVE = "ACTIVE"
    REJECTED = "REJECTED"
    DEAUTHORIZED = "DEAUTHORIZED"


class PayeeEvent(StrEnum):
    """What Stripe shows of a payee's account, and what is asked for when there is none to use."""

    SEE_ONBOARDING = "see_onboarding"
    SEE_RESTRICTED = "see_restricted"
    SEE_ACTIVE = "see_active"
    SEE_REJECTED = "see_rejected"
    SEE_DEAUTHORIZED = "see_deauthorized"
    CORRECT_DATA = "correct_data"  # Stripe made no account from what we sent, and is asked again
    REPLACE_ACCOUNT = "replace_account"  # another account is made, and this one left


A, AE = PayeeState, PayeeEvent

PAYEE_SEEN: Mapping[PayeeState, PayeeEvent] = {
    A.ONBOARDING: AE.SEE_ONBOARDING,
    A.RESTRICTED: AE.SEE_RESTRICTED,
    A.ACTIVE: AE.SEE_ACTIVE,
    A.REJECTED: AE.SEE_REJECTED,
    A.DEAUTHORIZED: AE.SEE_DEAUTHORIZED,
}
_ONBOARDED = (A.ACTIVE, A.RESTRICTED)
LOST = frozenset({A.DEAUTHORIZED, A.REJECTED})
"""No money is sent there any more, and nothing that the payee does at Stripe changes that."""


def _after(before: PayeeState, seen: PayeeState) -> PayeeState:
    """Who took our access away stays so; who was onboarded once is restricted, not onboarding."""
    if before is A.DEAUTHORIZED:
        return before
    return A.RESTRICTED if before in _ONBOARDED and seen is A.ONBOARDING else seen


PAYEE = Machine(
    "Payee: their account at Stripe",
    {
        (before, event): edge(_after(before, seen), Party.STRIPE)
        for before in A
        for seen, event in PAYEE_SEEN.items()
    }
    | {(A.REJECTED, AE.CORRECT_DATA): edge(A.NONE, *Party)}
    | {
        (lost, AE.REPLACE_ACCOUNT): edge(A.NONE, Party.PAYEE, Party.OPERATOR)
        for lost in A
        if lost in LOST
    },
)
