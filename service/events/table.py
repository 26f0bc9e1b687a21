"""THE allow-lists of event types, built from the files of their objects.

Everything else is stored and acknowledged, and not acted on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from service.events import (
    accounts,
    charges,
    checkout_sessions,
    disputes,
    early_fraud_warnings,
    payment_intents,
    payouts,
    refunds,
    transfers,
)
from service.events.event import Handler


def merged(lists: Iterable[Mapping[str, Handler]]) -> Mapping[str, Handler]:
    """One table of all the types.

    Raises:
        ValueError: two files claim the same type.
    """
    table: dict[str, Handler] = {}
    for types in lists:
        if twice := table.keys() & types.keys():
            raise ValueError(f"claimed twice: {', '.join(sorted(twice))}")
        table |= types
    return table


OF_PLATFORM = merged(
    [
        payment_intents.PLATFORM,
        charges.PLATFORM,
        checkout_sessions.PLATFORM,
        transfers.PLATFORM,
        refunds.PLATFORM,
        disputes.PLATFORM,
        early_fraud_warnings.PLATFORM,
        accounts.PLATFORM,
    ]
)
# Events of connected accounts; what they charge or hold themselves is not ours.
OF_CONNECTED = merged([accounts.CONNECTED, payouts.CONNECTED])
