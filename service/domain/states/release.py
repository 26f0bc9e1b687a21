"""The states of a release."""

from __future__ import annotations

from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge


class ReleaseState(StrEnum):
    """A payee's money after a release, on its way to the payee's Stripe account."""

    WAITING = "WAITING"  # in payable: the payee is not ready, or Stripe refused the transfer
    IN_FLIGHT = "IN_FLIGHT"
    TRANSFERRED = "TRANSFERRED"
    RETURNED = "RETURNED"  # all of it was refunded before it was sent


class ReleaseEvent(StrEnum):
    """What can happen to a release."""

    REQUEST_TRANSFER = "request_transfer"
    TRANSFER_SUCCEEDED = "transfer_succeeded"
    TRANSFER_REJECTED = "transfer_rejected"
    NOTHING_TO_TRANSFER = "nothing_to_transfer"  # the fee, or the conversion, left none of it
    RETURN = "return"


R, RE = ReleaseState, ReleaseEvent
PAYER, PAYEE, OPERATOR = Party.PAYER, Party.PAYEE, Party.OPERATOR
STRIPE, TIMER = Party.STRIPE, Party.TIMER

RELEASE = Machine(
    "Release: the payee's money on its way to their account",
    {
        # By a payee who agrees to what the payer offers in a dispute.
        (R.WAITING, RE.REQUEST_TRANSFER): edge(R.IN_FLIGHT, PAYER, PAYEE, OPERATOR, TIMER),
        (R.WAITING, RE.NOTHING_TO_TRANSFER): edge(
            R.TRANSFERRED, PAYER, PAYEE, OPERATOR, TIMER, STRIPE
        ),
        (R.WAITING, RE.RETURN): edge(R.RETURNED, PAYEE, OPERATOR, STRIPE),
        (R.IN_FLIGHT, RE.TRANSFER_SUCCEEDED): edge(R.TRANSFERRED, STRIPE),
        (R.IN_FLIGHT, RE.TRANSFER_REJECTED): edge(R.WAITING, STRIPE),
    },
)
