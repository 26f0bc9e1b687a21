"""The states of a payment. Stripe says where it is; only a rejection moves it otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge, in_order


class PaymentState(StrEnum):
    """A payer's payment. Stripe has no state "failed": a failed payment wants another card. FAILED
    takes no other card either: the page of Checkout is complete, and the bank refused.
    """

    CREATING = "CREATING"
    REQUIRES_PAYMENT_METHOD = "REQUIRES_PAYMENT_METHOD"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    PROCESSING = "PROCESSING"
    REQUIRES_CAPTURE = "REQUIRES_CAPTURE"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"


class PaymentEvent(StrEnum):
    """What is asked of a payment, and what Stripe shows of it."""

    CAPTURE = "capture"
    CANCEL = "cancel"
    REJECT = "reject"
    SEE_REQUIRES_PAYMENT_METHOD = "see_requires_payment_method"
    SEE_REQUIRES_ACTION = "see_requires_action"
    SEE_PROCESSING = "see_processing"
    SEE_REQUIRES_CAPTURE = "see_requires_capture"
    SEE_FAILED = "see_failed"
    SEE_CANCELED = "see_canceled"
    SEE_SUCCEEDED = "see_succeeded"


P, PE = PaymentState, PaymentEvent

PAYMENT_RANK: Mapping[PaymentState, int] = {
    # Within one second of Stripe's clock the higher rank came later; SUCCEEDED is never left, and
    # a payment that was CANCELED or FAILED can only turn out to have SUCCEEDED.
    P.CREATING: 0,
    P.REQUIRES_PAYMENT_METHOD: 1,
    P.REQUIRES_ACTION: 2,
    P.PROCESSING: 3,
    P.REQUIRES_CAPTURE: 4,
    P.REJECTED: 5,
    P.FAILED: 6,
    P.CANCELED: 7,
    P.SUCCEEDED: 8,
}
_UPWARDS = sorted(P, key=lambda state: PAYMENT_RANK[state])
PAYMENT_ENDED = frozenset({P.SUCCEEDED, P.FAILED, P.CANCELED, P.REJECTED})
PAYMENT_SEEN: Mapping[PaymentState, PaymentEvent] = {
    P.REQUIRES_PAYMENT_METHOD: PE.SEE_REQUIRES_PAYMENT_METHOD,
    P.REQUIRES_ACTION: PE.SEE_REQUIRES_ACTION,
    P.PROCESSING: PE.SEE_PROCESSING,
    P.REQUIRES_CAPTURE: PE.SEE_REQUIRES_CAPTURE,
    P.FAILED: PE.SEE_FAILED,
    P.CANCELED: PE.SEE_CANCELED,
    P.SUCCEEDED: PE.SEE_SUCCEEDED,
}

PAYER, PAYEE, OPERATOR = Party.PAYER, Party.PAYEE, Party.OPERATOR
STRIPE, SERVICE, TIMER = Party.STRIPE, Party.SERVICE, Party.TIMER


def _may_become(before: PaymentState, after: PaymentState) -> bool:
    if before in PAYMENT_ENDED or after in PAYMENT_ENDED:
        return PAYMENT_RANK[after] > PAYMENT_RANK[before]
    return True


PAYMENT = Machine(
    "Payment",
    {
        (P.CREATING, PE.REJECT): edge(P.REJECTED, STRIPE),
        (P.REQUIRES_CAPTURE, PE.CAPTURE): edge(P.REQUIRES_CAPTURE, PAYER, OPERATOR, SERVICE),
    }
    | {
        (state, PE.CANCEL): edge(state, PAYER, PAYEE, OPERATOR, SERVICE, TIMER)
        for state in P
        if state not in PAYMENT_ENDED
    }
    | {
        (before, event): edge(after, STRIPE)
        for before in P
        for after, event in PAYMENT_SEEN.items()
        if _may_become(before, after)
    },
    note="A request to capture or cancel changes nothing here: what comes of it, Stripe says. The"
    " newest news counts. Within one second of Stripe's clock the higher rank came later, and an"
    f" ended payment only moves up: {in_order(_UPWARDS)}",
)


Failure = tuple[str, str, str]  # code, decline code, message
NO_FAILURE: Failure = ("", "", "")


def payment_moves(
    known: PaymentState,
    known_at: datetime | None,
    seen: PaymentState,
    seen_at: datetime,
    *,
    known_failure: Failure = NO_FAILURE,
    seen_failure: Failure = NO_FAILURE,
) -> bool:
    """Whether what Stripe shows of a payment is newer than what is known.

    The order is total, so any order of events, with any duplicates, ends in the same state.
    """
    if known in PAYMENT_ENDED or seen in PAYMENT_ENDED:
        return PAYMENT_RANK[seen] > PAYMENT_RANK[known]
    if known_at is None:
        return True
    before = (known_at, PAYMENT_RANK[known], known_failure)
    return (seen_at, PAYMENT_RANK[seen], seen_failure) > before
