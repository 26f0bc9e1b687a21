"""Who asks, for whom, and for what: what every operation knows about its cause."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Party(StrEnum):
    """Who acts. What each may do stands in the transition table (states/)."""

    PAYER = "payer"
    PAYEE = "payee"
    OPERATOR = "operator"
    SERVICE = "service"  # a microservice that acts for no party
    STRIPE = "stripe"
    TIMER = "timer"


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

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, or ""."""
        return self.traceparent[3:35]
