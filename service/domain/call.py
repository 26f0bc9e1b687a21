"""Who asks, for whom, and for what: what every operation knows about its cause."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Party(StrEnum):
    """Who acts. What each may do stands in the transition table (states/)."""

    PAYER = "payer"
    PAYEE = "payee"
    OPERATOR = "operator"
    SERVICE = "service"  # a microservice that acts for no party
    STRIPE = "stripe"
    TIMER = "timer"


class ApprovalKind(StrEnum):
    """What waits for a second person above a limit of the tenant (domain/policy.py)."""

    REFUNDS = "REFUNDS"
    WRITE_OFFS = "WRITE_OFFS"
    REDIRECTIONS = "REDIRECTIONS"
    REPAIRS = "REPAIRS"
    RELEASES = "RELEASES"


@dataclass(frozen=True, slots=True)
class Approved:
    """A second person's word for a plan; ``by`` is the unit of work (unit.py) of their decision."""

    approval_id: UUID
    plan_hash: str
    by: object


@dataclass(frozen=True, slots=True)
class Call:
    """One cause of change.

    ``caller`` is the client's identity ("orders-service", "stripe", "worker"); ``key`` is the
    request id, Stripe event id, effect id or deadline id: (tenant, caller, operation, key) names
    the change, so that it happens once. ``traceparent`` names the span that asks (W3C), or is "".
    ``answer_by`` is when nobody waits for the answer any longer, in seconds of the event loop's
    clock; nothing else than a client stops waiting.
    ``end_user`` is the person for whom the caller acts, by the reference of the party that they
    are, or "". ``reason`` is why, in the caller's words; an operator gives one for every change.
    ``may_pay``: it may see the secrets with which a payer pays.
    ``people`` are the names by which it is known whom the call is of: what was proven, and whom a
    shared identity names. ``is_program``: its caller is a program by its role, and no person.
    ``approvals`` are the kinds of limits that it is under, and ``approved`` the word of a second
    person.
    """

    tenant_id: str
    caller: str
    party: Party
    key: str = ""
    traceparent: str = ""
    answer_by: float = math.inf
    end_user: str = ""
    may_pay: bool = False
    reason: str = ""
    people: frozenset[str] = frozenset()
    is_program: bool = False
    approvals: tuple[ApprovalKind, ...] = ()
    approved: Approved | None = None

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, or ""."""
        return self.traceparent[3:35]
