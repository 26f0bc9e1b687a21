"""The states of a chargeback."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge, in_order


class ChargebackState(StrEnum):
    """Where a dispute of a payment is. An appeal needs a response, and is reviewed, like what it
    appeals against.
    """

    INQUIRY = "INQUIRY"
    INQUIRY_CLOSED = "INQUIRY_CLOSED"
    PREVENTED = "PREVENTED"
    NEEDS_RESPONSE = "NEEDS_RESPONSE"
    UNDER_REVIEW = "UNDER_REVIEW"
    LOST = "LOST"
    WON = "WON"


class ChargebackEvent(StrEnum):
    """What the payer's bank does, as Stripe says it."""

    SEE_INQUIRY = "see_inquiry"
    SEE_INQUIRY_CLOSED = "see_inquiry_closed"
    SEE_PREVENTED = "see_prevented"
    SEE_NEEDS_RESPONSE = "see_needs_response"
    SEE_UNDER_REVIEW = "see_under_review"
    SEE_LOST = "see_lost"
    SEE_WON = "see_won"


C, CE = ChargebackState, ChargebackEvent

CHARGEBACK_SEEN: Mapping[ChargebackState, ChargebackEvent] = {
    state: CE[f"SEE_{state.name}"] for state in C
}
CHARGEBACK_RANK: Mapping[ChargebackState, int] = {
    state: rank for rank, state in enumerate(ChargebackState)
}  # in the order of their definition
CHARGEBACK_OVER = frozenset({C.INQUIRY_CLOSED, C.PREVENTED, C.WON})
"""Nothing is threatened any more. LOST is not among them: the money is gone."""

CHARGEBACK = Machine(
    "Chargeback: what the payer's bank takes back, or asks about",
    {
        (before, event): edge(after, Party.STRIPE)
        for before in C
        for after, event in CHARGEBACK_SEEN.items()
        if before is not after
    },
    note="Stripe says where it is. No outcome is final: what is lost may be won by an appeal, or"
    " late, and a win may be taken back. Which of two reads is newer is told by the balance"
    " transactions, the evidence and its deadline; where these are the same, by"
    f" {in_order(ChargebackState)}",
)
