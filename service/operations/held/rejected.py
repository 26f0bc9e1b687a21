"""Who rejected what was asked for, and why: who asked is told."""

from __future__ import annotations

from service.domain.call import Party
from service.domain.errors import ApprovalRejected
from service.domain.records.approval import Approval

MOST_QUOTED = 150
"""Characters of the reason in the message, which a refusal says several times; all of it is in the
metadata.
"""


def rejected(approval: Approval, party: Party) -> ApprovalRejected:
    """The payer and the payee are not told: what operators say of it is among themselves, as
    GetApproval is.
    """
    if party in (Party.PAYER, Party.PAYEE):
        return ApprovalRejected(approval_id=approval.public_id)
    by, why = approval.decided_by or "", approval.decision_reason or ""
    quoted = why if len(why) <= MOST_QUOTED else f"{why[:MOST_QUOTED]}..."
    return ApprovalRejected(
        f"{by} has rejected it: {quoted!r}. To ask again, send a new request_id.",
        approval_id=approval.public_id,
        rejected_by=by,
        decision_reason=why,
    )
