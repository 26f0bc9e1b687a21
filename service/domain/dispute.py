"""The rules of a dispute between the parties."""

from __future__ import annotations

from datetime import timedelta

from service.domain.call import Party
from service.domain.policy import UnansweredDispute, UndecidedDispute
from service.domain.records.dispute import Dispute
from service.domain.records.refund import Refund

MOST_DISPUTES = 50
"""Of one escrow by one party, ever: each is loaded with it, and nobody uses up the other's."""

LEAST_LEFT = timedelta(hours=24)
"""For which a payer can inspect at least after the payee has withdrawn a dispute."""


def silence_grants(dispute: Dispute, policy: UnansweredDispute) -> bool:
    """Whether who opened it gets what they ask where nobody answers. No payee is paid so: for the
    payer's silence there is the inspection.
    """
    return policy is UnansweredDispute.OPENER and dispute.opened_by is Party.PAYER


def reason_of_refund(dispute: Dispute) -> str:
    """Of what it gives back to the payer."""
    return f"dispute {dispute.public_id}"


def gave_back(dispute: Dispute, refund: Refund) -> bool:
    """Whether the dispute made this refund, when it ended: anybody can write such a reason."""
    of_it = refund.reason == reason_of_refund(dispute)
    return of_it and refund.created_at == dispute.ended_at


def undecided_to_payer(dispute: Dispute, policy: UndecidedDispute, step_minor: int) -> int:
    """What the payer gets of what is left when nobody has decided; halves are of the whole amount,
    in steps of the currency, with what cannot be halved for the payer.
    """
    if policy is UndecidedDispute.PAYEE:
        return 0
    if policy is UndecidedDispute.PAYER:
        return dispute.left_minor
    to_payees_minor = dispute.amount_minor // (2 * step_minor) * step_minor
    return dispute.still_to_payer(dispute.amount_minor - to_payees_minor)
