"""Why something waits: by which rule, and who can end the wait by which method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from service.domain import ids
from service.domain.call import Party


class Rule(StrEnum):
    """What holds something up. The member is the type of a violation in PreconditionFailure."""

    PAYMENT = "PAYMENT"  # nothing is delivered or released before it is paid for
    PAYMENT_UNDER_WAY = "PAYMENT_UNDER_WAY"  # a payment is open, and may still succeed
    DELIVERY = "DELIVERY"  # nothing is accepted before it is delivered
    ACCEPTANCE = "ACCEPTANCE"  # the payee is paid when the payer accepts
    FREEZE = "FREEZE"  # what is frozen does not move (I5)
    SETTLEMENT = "SETTLEMENT"  # Stripe has to show the charge before money leaves
    PAYEE_NOT_READY = "PAYEE_NOT_READY"  # nobody is paid before Stripe lets them be paid
    TRANSFER = "TRANSFER"  # Stripe has not confirmed the transfer
    TRANSFER_REFUSED = "TRANSFER_REFUSED"  # Stripe refused it; it is tried again
    ANSWER_DOES_NOT_FIT = "ANSWER_DOES_NOT_FIT"  # what Stripe answers contradicts what was asked
    REFUND = "REFUND"  # Stripe has not paid the refund out
    REFUND_FAILED = "REFUND_FAILED"  # the payer still has to get it
    DEBT = "DEBT"  # a payee owes what was refunded after they had it
    DISPUTE = "DISPUTE"  # what the parties disagree about does not move
    PROPOSAL = "PROPOSAL"  # what one party asks, the other answers
    CANCELLATION_WINDOW = "CANCELLATION_WINDOW"  # the policy says who may cancel alone, and when
    AMENDMENT = "AMENDMENT"  # what was agreed changes only while nobody has paid for it
    APPROVAL = "APPROVAL"  # above the tenant's limit a second person decides
    STRIPE_CALL = "STRIPE_CALL"  # a call to Stripe is open
    STRIPE_EVENT = "STRIPE_EVENT"  # an event of Stripe has not been applied
    EVIDENCE = "EVIDENCE"  # Stripe takes evidence once, until its deadline
    SUSPENSE = "SUSPENSE"  # money came that nothing waits for


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that is in the way. ``subject`` is the id of what it is about; ``milestone_id`` the
    milestone that it holds up, where it is of one, and ``payee_id`` whose part of that, where
    several are paid. ``clears`` are the methods by which a party ends it: none where only Stripe
    can, or time.
    """

    subject: str
    description: str
    rule: Rule | None = None
    clears: Mapping[Party, Sequence[str]] = field(default_factory=dict)
    milestone_id: UUID | None = None
    payee_id: UUID | None = None

    @property
    def in_words(self) -> str:
        """With the payee whose part waits, as one waits for this and another for that."""
        of = f"{ids.show(ids.PAYEE, self.payee_id)}: " if self.payee_id else ""
        return f"{of}{self.description}"


def in_words(blockers: Iterable[Blocker]) -> str:
    """All of them in one line; "" where nothing is waited for."""
    return "; ".join(dict.fromkeys(each.in_words for each in blockers))
