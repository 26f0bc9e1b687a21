"""THE list of the state machines, in the order in which ``make docs`` prints them."""

from __future__ import annotations

from typing import Any

from service.domain.states.approval import APPROVAL
from service.domain.states.chargeback import CHARGEBACK
from service.domain.states.dispute import DISPUTE
from service.domain.states.effect import EFFECT
from service.domain.states.escrow import ESCROW
from service.domain.states.freeze import FREEZE
from service.domain.states.machine import Machine
from service.domain.states.milestone import MILESTONE
from service.domain.states.payee import PAYEE
from service.domain.states.payment import PAYMENT
from service.domain.states.payout import PAYOUT
from service.domain.states.proposal import PROPOSAL
from service.domain.states.receivable import RECEIVABLE
from service.domain.states.refund import REFUND
from service.domain.states.release import RELEASE

MACHINES: tuple[Machine[Any, Any], ...] = (
    MILESTONE,
    EFFECT,
    RELEASE,
    REFUND,
    RECEIVABLE,
    PAYMENT,
    PAYOUT,
    PAYEE,
    ESCROW,
    FREEZE,
    CHARGEBACK,
    DISPUTE,
    PROPOSAL,
    APPROVAL,
)
