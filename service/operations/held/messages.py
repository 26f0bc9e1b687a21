"""Approvals as messages, and as what an escrow waits for."""

from __future__ import annotations

from datetime import datetime

from escrow.v1 import approval_service_pb2 as pb
from escrow.v1 import options_pb2
from service.domain import ids
from service.domain.blocker import Blocker, Rule
from service.domain.call import Party
from service.domain.money import format_minor
from service.domain.records.approval import Approval
from service.operations.messages import money, timestamp


def approval_message(approval: Approval, now: datetime) -> pb.Approval:
    """One that nobody decided in time is shown as expired."""
    state = "EXPIRED" if approval.is_expired(now) else approval.state
    before_minor = approval.decided_before_minor
    return pb.Approval(
        id=approval.public_id,
        state=pb.ApprovalState.Value(f"APPROVAL_STATE_{state}"),
        kind=options_pb2.ApprovalKind.Value(f"APPROVAL_KIND_{approval.kind}"),
        method=approval.method,
        requested_by=approval.caller,
        requested_for=options_pb2.Party.Value(f"PARTY_{approval.party.upper()}"),
        reason=approval.reason,
        escrow_id=ids.show(ids.ESCROW, approval.escrow_id) if approval.escrow_id else "",
        amount=money(approval.amount_minor, approval.currency),
        decided_before=money(before_minor, approval.currency) if before_minor else None,
        plan=approval.plan.get("lines"),
        plan_hash=approval.plan_hash,
        decided_by=approval.decided_by or "",
        decision_reason=approval.decision_reason or "",
        expire_time=timestamp(approval.expires_at),
        create_time=timestamp(approval.created_at),
        update_time=timestamp(approval.updated_at),
    )


def blocker_of_approval(approval: Approval, party: Party) -> Blocker:
    """What waits for a second person. The payer and the payee are not told who asks for what: it
    says where the limits are.
    """
    waits = "a second person to decide on what was asked for"
    if party not in (Party.PAYER, Party.PAYEE):
        amount = format_minor(approval.amount_minor, approval.currency)
        asked = f"{approval.method} of {amount}, which {approval.caller} asks for"
        waits = f"a second person to decide on {asked}"
    return Blocker(
        approval.public_id,
        f"{waits}, until {approval.expires_at:%Y-%m-%d %H:%M:%S} UTC",
        Rule.APPROVAL,
        {Party.OPERATOR: ("Approve", "Reject")},
    )
