"""The states of a refund."""

from __future__ import annotations

from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge


class RefundState(StrEnum):
    """Money on its way back to the payer. Stripe may still fail what has succeeded."""

    REQUESTED = "REQUESTED"
    PENDING = "PENDING"
    REQUIRES_ACTION = "REQUIRES_ACTION"  # Stripe waits for the payer's bank details
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"  # the payer still has to get it: an operator says how
    REJECTED = "REJECTED"  # Stripe refused to make it: the money is where it was
    PUT_BACK = "PUT_BACK"  # an operator put it back where it was
    PAID_OUTSIDE = "PAID_OUTSIDE"  # an operator paid it by another way
    CHARGED_BACK = "CHARGED_BACK"  # no refund of ours: the payer's bank took it, and kept it


class RefundEvent(StrEnum):
    """What can happen to a refund."""

    PEND = "pend"
    REQUIRE_ACTION = "require_action"
    SUCCEED = "succeed"
    FAIL = "fail"
    REJECT = "reject"
    SEND_AGAIN = "send_again"
    PUT_BACK = "put_back"
    PAY_OUTSIDE = "pay_outside"
    CHARGE_BACK = "charge_back"  # a lost chargeback was settled
    TAKE_BACK = "take_back"  # it was settled otherwise, or won after all


F, FE = RefundState, RefundEvent
STRIPE, OPERATOR = Party.STRIPE, Party.OPERATOR

ACCEPTED = frozenset({F.PENDING, F.REQUIRES_ACTION, F.SUCCEEDED})
"""Stripe has it, and has not failed it."""
DONE = frozenset({F.SUCCEEDED, F.REJECTED, F.PUT_BACK, F.PAID_OUTSIDE, F.CHARGED_BACK})
"""Nothing of it is under way, and nobody has to decide."""
UNDONE = frozenset({F.REJECTED, F.PUT_BACK})
"""The money is where it was before."""

REFUND = Machine(
    "Refund: money on its way back to the payer",
    {
        (F.REQUESTED, FE.PEND): edge(F.PENDING, STRIPE),
        (F.REQUESTED, FE.REQUIRE_ACTION): edge(F.REQUIRES_ACTION, STRIPE),
        (F.REQUESTED, FE.SUCCEED): edge(F.SUCCEEDED, STRIPE),
        (F.REQUESTED, FE.FAIL): edge(F.FAILED, STRIPE),
        (F.REQUESTED, FE.REJECT): edge(F.REJECTED, STRIPE),
        (F.PENDING, FE.REQUIRE_ACTION): edge(F.REQUIRES_ACTION, STRIPE),
        (F.PENDING, FE.SUCCEED): edge(F.SUCCEEDED, STRIPE),
        (F.PENDING, FE.FAIL): edge(F.FAILED, STRIPE),
        (F.REQUIRES_ACTION, FE.PEND): edge(F.PENDING, STRIPE),
        (F.REQUIRES_ACTION, FE.SUCCEED): edge(F.SUCCEEDED, STRIPE),
        (F.REQUIRES_ACTION, FE.FAIL): edge(F.FAILED, STRIPE),  # canceled, or never answered
        (F.SUCCEEDED, FE.FAIL): edge(F.FAILED, STRIPE),
        (F.FAILED, FE.SEND_AGAIN): edge(F.REQUESTED, OPERATOR),
        (F.FAILED, FE.PUT_BACK): edge(F.PUT_BACK, OPERATOR),
        (F.FAILED, FE.PAY_OUTSIDE): edge(F.PAID_OUTSIDE, OPERATOR),
        (F.REQUESTED, FE.CHARGE_BACK): edge(F.CHARGED_BACK, OPERATOR),
        (F.CHARGED_BACK, FE.TAKE_BACK): edge(F.PUT_BACK, STRIPE, OPERATOR),
    },
)
