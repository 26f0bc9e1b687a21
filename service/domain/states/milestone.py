"""The states of a milestone."""

from __future__ import annotations

from enum import StrEnum

from service.domain.call import Party
from service.domain.states.machine import Machine, edge


class MilestoneState(StrEnum):
    """The smallest thing that is funded, delivered, accepted, released or refunded."""

    AWAITING_FUNDS = "AWAITING_FUNDS"
    FUNDED = "FUNDED"
    DELIVERED = "DELIVERED"
    RELEASING = "RELEASING"
    RELEASED = "RELEASED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REFUNDING = "REFUNDING"
    REFUNDED = "REFUNDED"


class MilestoneEvent(StrEnum):
    """What can happen to a milestone."""

    START_PAYMENT = "start_payment"
    PAYMENT_SUCCEEDED = "payment_succeeded"
    APPLY_SUSPENSE = "apply_suspense"  # an operator corrects what a payment was for
    DELIVER = "deliver"
    REQUEST_CHANGES = "request_changes"
    ACCEPT = "accept"
    ACCEPT_PART = "accept_part"  # a frozen part stays held
    RELEASE = "release"
    RELEASE_PART = "release_part"
    TRANSFERRED = "transferred"
    CANCEL = "cancel"
    CANCEL_PAID = "cancel_paid"  # all that was funded goes back
    CANCEL_REST = "cancel_rest"  # all that is held; the rest was released before
    # The end of a dispute: what the payees get, then what the payer gets back.
    DISPUTE_RELEASE = "dispute_release"
    DISPUTE_RELEASE_PART = "dispute_release_part"
    DISPUTE_REFUND = "dispute_refund"  # all that was funded
    DISPUTE_REFUND_REST = "dispute_refund_rest"  # all that is held
    DISPUTE_REFUND_PART = "dispute_refund_part"
    EXPIRE = "expire"  # nobody has paid in time
    REFUND = "refund"  # all that was funded
    REFUND_REST = "refund_rest"  # all that is held; the rest was released before
    REFUND_PART = "refund_part"
    REFUND_DONE = "refund_done"
    REFUND_FAILED = "refund_failed"  # after it had succeeded
    HELD_AGAIN = "held_again"  # a refund did not take place: as before it
    DELIVERED_AGAIN = "delivered_again"
    RELEASED_AGAIN = "released_again"


M, ME = MilestoneState, MilestoneEvent
PAYER, PAYEE, OPERATOR = Party.PAYER, Party.PAYEE, Party.OPERATOR
STRIPE, SERVICE, TIMER = Party.STRIPE, Party.SERVICE, Party.TIMER
GIVES_BACK = (PAYEE, OPERATOR)
WITHOUT_REFUND = (M.FUNDED, M.DELIVERED, M.RELEASING, M.RELEASED, M.REFUNDING, M.REFUNDED)

MILESTONE = Machine(
    "Milestone",
    {
        (M.AWAITING_FUNDS, ME.START_PAYMENT): edge(M.AWAITING_FUNDS, PAYER, OPERATOR, SERVICE),
        (M.AWAITING_FUNDS, ME.PAYMENT_SUCCEEDED): edge(M.FUNDED, STRIPE),
        (M.AWAITING_FUNDS, ME.APPLY_SUSPENSE): edge(M.FUNDED, OPERATOR),
        (M.AWAITING_FUNDS, ME.CANCEL): edge(M.CANCELED, PAYER, PAYEE, OPERATOR, TIMER),
        # By the timer where the policy says that silence agrees. A party cancels by itself within
        # the windows of domain/cancellation.py only.
        **{
            (state, event): edge(to, PAYER, PAYEE, OPERATOR, TIMER)
            for state in (M.FUNDED, M.DELIVERED)
            for event, to in ((ME.CANCEL_PAID, M.REFUNDING), (ME.CANCEL_REST, M.RELEASING))
        },
        # Both parties have agreed, or an operator or the policy has decided.
        **{
            (state, event): edge(to or state, PAYER, PAYEE, OPERATOR, TIMER)
            for state in (M.FUNDED, M.DELIVERED)
            for event, to in (
                (ME.DISPUTE_RELEASE, M.RELEASING),
                (ME.DISPUTE_RELEASE_PART, None),
                (ME.DISPUTE_REFUND, M.REFUNDING),
                (ME.DISPUTE_REFUND_REST, M.RELEASING),
                (ME.DISPUTE_REFUND_PART, None),
            )
        },
        (M.AWAITING_FUNDS, ME.EXPIRE): edge(M.EXPIRED, TIMER),
        (M.FUNDED, ME.DELIVER): edge(M.DELIVERED, PAYEE),
        (M.FUNDED, ME.RELEASE): edge(M.RELEASING, PAYER, OPERATOR),
        (M.FUNDED, ME.RELEASE_PART): edge(M.FUNDED, PAYER, OPERATOR),
        (M.DELIVERED, ME.REQUEST_CHANGES): edge(M.FUNDED, PAYER),
        (M.DELIVERED, ME.ACCEPT): edge(M.RELEASING, PAYER),
        (M.DELIVERED, ME.ACCEPT_PART): edge(M.DELIVERED, PAYER),
        # By the timer when the payer was silent for the whole inspection period.
        (M.DELIVERED, ME.RELEASE): edge(M.RELEASING, PAYER, OPERATOR, TIMER),
        (M.DELIVERED, ME.RELEASE_PART): edge(M.DELIVERED, PAYER, OPERATOR, TIMER),
        # Where nothing is left of the last part to transfer, the release ends it.
        (M.RELEASING, ME.TRANSFERRED): edge(M.RELEASED, STRIPE, PAYER, PAYEE, OPERATOR, TIMER),
        **{
            (state, ME.REFUND_PART): edge(state, *GIVES_BACK)
            for state in (M.FUNDED, M.DELIVERED, M.RELEASING, M.RELEASED)
        },
        **{
            (state, ME.REFUND): edge(M.REFUNDING, *GIVES_BACK)
            for state in (M.FUNDED, M.DELIVERED, M.RELEASING, M.RELEASED)
        },
        (M.FUNDED, ME.REFUND_REST): edge(M.RELEASING, *GIVES_BACK),
        (M.DELIVERED, ME.REFUND_REST): edge(M.RELEASING, *GIVES_BACK),
        (M.REFUNDING, ME.REFUND_DONE): edge(M.REFUNDED, STRIPE, OPERATOR),
        (M.REFUNDED, ME.REFUND_FAILED): edge(M.REFUNDING, STRIPE),
        **{(s, ME.HELD_AGAIN): edge(M.FUNDED, STRIPE, OPERATOR) for s in WITHOUT_REFUND},
        **{(s, ME.DELIVERED_AGAIN): edge(M.DELIVERED, STRIPE, OPERATOR) for s in WITHOUT_REFUND},
        **{(s, ME.RELEASED_AGAIN): edge(M.RELEASING, STRIPE, OPERATOR) for s in WITHOUT_REFUND},
    },
)
