"""Who rejected what was asked for, and why: who asked is told."""

from __future__ import annotations

from service.domain import ids
from service.domain.call import Call, Party
from service.domain.errors import ApprovalRejected
from service.runtime import Runtime
from service.store.approvals import find_approval

MOST_QUOTED = 150
"""Characters of the reason in the message, which a refusal says several times; all of it is in the
metadata.
"""


async def told_why(runtime: Runtime, call: Call, refusal: ApprovalRejected) -> ApprovalRejected:
    """The payer and the payee are not told: what operators say of it is among themselves, as
    GetApproval is.
    """
    approval_id = refusal.metadata["approval_id"]
    approval = await find_approval(runtime.pool, call.tenant_id, ids.parse(approval_id))
    if approval is None or call.party in (Party.PAYER, Party.PAYEE):
        return refusal
    by, why = approval.decided_by or "", approval.decision_reason or ""
    quoted = why if len(why) <= MOST_QUOTED else f"{why[:MOST_QUOTED]}..."
    return ApprovalRejected(
        f"{by} has rejected it: {quoted!r}. To ask again, send a new request_id.",
        approval_id=approval_id,
        rejected_by=by,
        decision_reason=why,
    )
