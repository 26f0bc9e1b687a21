"""The states of a payout."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge, in_order


class PayoutState(StrEnum):
    """Money from a payee's Stripe account to their bank. PAID is not final."""

    REQUESTED = "REQUESTED"
    REJECTED = "REJECTED"
    PENDING = "PENDING"
    IN_TRANSIT = "IN_TRANSIT"
    PAID = "PAID"
    CANCELED = "CANCELED"
    FAILED = "FAILED"


class PayoutEvent(StrEnum):
    """What Stripe does with a payout."""

    REJECT = "reject"
    SEE_PENDING = "see_pending"
    SEE_IN_TRANSIT = "see_in_transit"
    SEE_PAID = "see_paid"
    SEE_CANCELED = "see_canceled"
    SEE_FAILED = "see_failed"


S, SE = PayoutState, PayoutEvent

PAYOUT_SEEN: Mapping[PayoutState, PayoutEvent] = {
    S.PENDING: SE.SEE_PENDING,
    S.IN_TRANSIT: SE.SEE_IN_TRANSIT,
    S.PAID: SE.SEE_PAID,
    S.CANCELED: SE.SEE_CANCELED,
    S.FAILED: SE.SEE_FAILED,
}
PAYOUT_RETURNED = frozenset({S.CANCELED, S.FAILED})
PAYOUT_RANK: Mapping[PayoutState, int] = {
    state: rank for rank, state in enumerate(PayoutState)
}  # in the order of their definition

PAYOUT = Machine(
    "Payout",
    {(S.REQUESTED, SE.REJECT): edge(S.REJECTED, Party.STRIPE)}
    | {
        (before, event): edge(after, Party.STRIPE)
        for before in S
        for after, event in PAYOUT_SEEN.items()
        if before not in PAYOUT_RETURNED and PAYOUT_RANK[after] > PAYOUT_RANK[before]
    },
    note="Stripe says where it is, and a stale event never moves it back. PAID is not final:"
    f" {in_order(PayoutState)}",
)
