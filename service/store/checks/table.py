"""THE list of the checks of ``escrow verify``, in the order in which it prints them."""

from __future__ import annotations

from service.store.checks.amendments import AMENDMENTS
from service.store.checks.check import Check
from service.store.checks.deadlines import DEADLINES
from service.store.checks.disputes import DISPUTES_OF_PARTIES
from service.store.checks.journals import APPEND_ONLY, BOOKED_ONCE, MOMENTS, ZERO_SUM
from service.store.checks.milestones import (
    FROZEN,
    HELD_BY_MILESTONES,
    MILESTONES,
    NOT_BELOW_ZERO,
    SPLIT,
)
from service.store.checks.operations import EVENTS, TIMELINE
from service.store.checks.payees import (
    CONNECTED_ACCOUNTS,
    PAYABLE_TO_PAYEES,
    RECEIVABLES,
    TRANSFERS,
)
from service.store.checks.platform import (
    COVER,
    DISPUTE_FEES,
    DISPUTES,
    EXCHANGE,
    MOVED_BY,
    REFUNDS_IN_FLIGHT,
    STRIPE_BALANCE,
    TRANSFERS_IN_FLIGHT,
    UNSETTLED_PAYMENTS,
)
from service.store.checks.readable import READABLE
from service.store.checks.sequence import DENSE, IN_ORDER
from service.store.checks.snapshots import SNAPSHOTS

CHECKS: tuple[Check, ...] = (
    ZERO_SUM,
    STRIPE_BALANCE,
    MOVED_BY,
    NOT_BELOW_ZERO,
    COVER,
    MILESTONES,
    FROZEN,
    SPLIT,
    HELD_BY_MILESTONES,
    DEADLINES,
    AMENDMENTS,
    DISPUTES_OF_PARTIES,
    SNAPSHOTS,
    MOMENTS,
    BOOKED_ONCE,
    UNSETTLED_PAYMENTS,
    EXCHANGE,
    PAYABLE_TO_PAYEES,
    TRANSFERS_IN_FLIGHT,
    TRANSFERS,
    REFUNDS_IN_FLIGHT,
    RECEIVABLES,
    DISPUTES,
    DISPUTE_FEES,
    CONNECTED_ACCOUNTS,
    TIMELINE,
    EVENTS,
    DENSE,
    IN_ORDER,
    READABLE,
    APPEND_ONLY,
)
