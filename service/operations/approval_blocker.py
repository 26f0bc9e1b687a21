"""What waits for a second person, as something that an escrow waits for."""

from __future__ import annotations

from escrow.v1.approval_service_pb2 import Approval
from service.domain.blocker import Blocker, Rule
from service.domain.call import Party
from service.domain.money import format_minor


def blocker_of_approval(approval: Approval, party: Party) -> Blocker:
    """What waits for a second person. The payer and the payee are not told who asks for what: it
    says where the limits are.
    """
    waits = "a second person to decide on what was asked for"
    if party not in (Party.PAYER, Party.PAYEE):
        amount = format_minor(approval.amount.amount_minor, approval.amount.currency)
        asked = f"{approval.method} of {amount}, which {approval.requested_by} asks for"
        waits = f"a second person to decide on {asked}"
    return Blocker(
        approval.id,
        f"{waits}, until {approval.expire_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC",
        Rule.APPROVAL,
        {Party.OPERATOR: ("Approve", "Reject")},
    )
