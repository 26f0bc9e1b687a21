"""A payout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from service.domain.states.payout import PayoutState
from service.stripe.objects.values import Object, Unreadable, minor, optional_text, text, time_of

PAYOUT_STATES: Mapping[str, PayoutState] = {
    "pending": PayoutState.PENDING,
    "in_transit": PayoutState.IN_TRANSIT,
    "paid": PayoutState.PAID,
    "failed": PayoutState.FAILED,
    "canceled": PayoutState.CANCELED,
}


@dataclass(frozen=True, slots=True)
class PayoutObservation:
    """What Stripe shows of a payout."""

    id: str
    state: PayoutState
    amount_minor: int
    currency: str
    arrival_at: datetime | None
    failure_code: str | None
    failure_message: str | None


def parse_payout(payout: Object) -> PayoutObservation:
    status = text(payout, "status")
    if status not in PAYOUT_STATES:
        raise Unreadable(f"payout status {status!r} is not known")
    arrival = payout.get("arrival_date")
    return PayoutObservation(
        id=text(payout, "id"),
        state=PAYOUT_STATES[status],
        amount_minor=minor(payout, "amount"),
        currency=text(payout, "currency").upper(),
        arrival_at=time_of(arrival) if arrival is not None else None,
        failure_code=optional_text(payout, "failure_code"),
        failure_message=optional_text(payout, "failure_message"),
    )
