"""An approval: what somebody asked for, and waits for a second person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain import ids
from service.domain.call import ApprovalKind, Party
from service.domain.states.approval import APPROVAL, ApprovalEvent, ApprovalState
from service.domain.states.machine import Machine


@dataclass(slots=True)
class Approval:
    """``operation`` was asked for by ``caller`` with the request id ``key``; ``asked`` is what it
    said. ``asker`` is {"people": [...], "end_user": ...}: who that was, beside the name. ``plan``
    is {"lines": [...], "decided_before": minor}, and ``plan_hash`` names it.
    """

    tenant_id: str
    approval_id: UUID
    version: int
    state: ApprovalState
    kind: ApprovalKind
    operation: str
    caller: str
    party: Party
    key: str
    asker: dict[str, Any]
    asked: bytes
    reason: str
    escrow_id: UUID | None
    amount_minor: int
    currency: str
    plan: dict[str, Any]
    plan_hash: str
    expires_at: datetime
    created_at: datetime
    updated_at: datetime
    decided_by: str | None = None
    decision_reason: str | None = None

    @property
    def machine(self) -> Machine[ApprovalState, ApprovalEvent]:
        return APPROVAL

    @property
    def public_id(self) -> str:
        return ids.show(ids.APPROVAL, self.approval_id)

    @property
    def method(self) -> str:
        """The name of what was asked for: "RefundMilestone"."""
        return "".join(part.capitalize() for part in self.operation.split("_"))

    @property
    def decided_before_minor(self) -> int:
        """What was decided of the escrow before, without a second person; in its currency."""
        return int(self.plan.get("decided_before", 0))

    def is_expired(self, now: datetime) -> bool:
        return self.state is ApprovalState.WAITING and self.expires_at <= now
