"""Which command does what a method of operators does, and blockers in the words of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from service.domain.blocker import Blocker
from service.domain.call import Party

COMMANDS: Mapping[str, str] = {
    "AcceptAmendment": "amendments accept",
    "AdoptRefund": "refunds adopt",
    "AdoptReversal": "reversals adopt",
    "ApplySuspense": "suspense apply",
    "Approve": "approvals approve",
    "ApproveCancellation": "cancellations approve",
    "CancelEscrow": "cancellations create",
    "DeclineAmendment": "amendments decline",
    "DeclineCancellation": "cancellations decline",
    "DeclineExtension": "deadlines decline",
    "DismissStripeEvent": "events dismiss",
    "ExtendDeadline": "deadlines extend",
    "LiftFreeze": "freezes lift",
    "PlaceFreeze": "freezes place",
    "RedirectShare": "shares redirect",
    "RefundMilestone": "refunds create",
    "RefundSuspense": "refunds suspense",
    "Reject": "approvals reject",
    "RejectEffect": "effects reject",
    "ResolveRefund": "refunds resolve",
    "ResolveDispute": "disputes resolve",
    "RetryEffect": "effects retry",
    "RetryStripeEvent": "events retry",
    "SettleChargeback": "chargebacks settle",
    "SettleEffect": "effects settle",
    "WriteOffReceivable": "receivables write-off",
}
"""What an operator types after ``escrow`` instead of calling the method."""


def blocker_document(blocker: Blocker) -> dict[str, Any]:
    return {
        "subject": blocker.subject,
        "rule": str(blocker.rule or ""),
        "waits_for": blocker.description,
        "may": {str(party): list(methods) for party, methods in blocker.clears.items() if methods},
    }


def blocker_line(blocker: Blocker) -> str:
    return line_of(blocker.subject, blocker.description, blocker.clears)


def line_of(subject: str, description: str, clears: Mapping[Any, Iterable[str]]) -> str:
    """One line for a person; for an operator with the commands."""
    may = "; ".join(
        f"{party} may {', '.join(_typed(party, each) for each in methods)}"
        for party, methods in clears.items()
        if methods
    )
    return f"{subject}: {description}{f' ({may})' if may else ''}"


def _typed(party: str, method: str) -> str:
    command = COMMANDS.get(method) if party == Party.OPERATOR else None
    return f"escrow {command}" if command else method
