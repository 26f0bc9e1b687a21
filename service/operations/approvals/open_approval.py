"""Loads an approval that waits for a decision."""

from __future__ import annotations

from service.domain import ids
from service.domain.errors import ApprovalExpired, ApprovalMissing, WrongState
from service.domain.records.approval import Approval
from service.domain.states.approval import ApprovalState
from service.domain.unit import UnitOfWork
from service.runtime import Runtime
from service.store.approvals import load_approval


async def open_approval(runtime: Runtime, unit: UnitOfWork, approval_id: str) -> Approval:
    """Raises:
    Answered, RequestIdReused: see ``answer_replay``.
    ApprovalMissing, ApprovalExpired.
    WrongState: it was decided.
    """
    approval = await load_approval(runtime.pool, unit, ids.parse(approval_id))
    if approval is None:
        raise ApprovalMissing
    if approval.state is not ApprovalState.WAITING:
        named = approval.public_id
        says = f"{named} was {approval.state.lower()} by {approval.decided_by}."
        raise WrongState(says, approval_id=named, state=approval.state)
    if approval.is_expired(unit.now):
        raise ApprovalExpired(approval_id=approval_id)
    return approval
