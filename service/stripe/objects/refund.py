"""A refund, as Stripe's API shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.records.balance_transaction import BalanceTransaction
from service.domain.states.refund import RefundEvent, RefundState
from service.stripe.objects.balance_transaction import shown_transaction
from service.stripe.objects.values import Object, Unreadable, id_of, minor, optional_text, text

REFUND_STATES: Mapping[str, tuple[RefundState, RefundEvent]] = {
    "pending": (RefundState.PENDING, RefundEvent.PEND),
    "requires_action": (RefundState.REQUIRES_ACTION, RefundEvent.REQUIRE_ACTION),
    "succeeded": (RefundState.SUCCEEDED, RefundEvent.SUCCEED),
    "failed": (RefundState.FAILED, RefundEvent.FAIL),
    "canceled": (RefundState.FAILED, RefundEvent.FAIL),
}
EXPAND = ("balance_transaction", "failure_balance_transaction")
"""What has to be asked for with its contents."""


@dataclass(frozen=True, slots=True)
class RefundObservation:
    """What Stripe shows of a refund. ``transaction`` took its money from the balance, and
    ``failure_transaction`` brought it back.
    """

    id: str
    state: RefundState
    event: RefundEvent
    amount_minor: int
    currency: str
    charge: str | None
    failure_code: str | None
    transaction: BalanceTransaction | None
    failure_transaction: BalanceTransaction | None


def parse_refund(refund: Object) -> RefundObservation:
    """Of a refund that was fetched with ``EXPAND``.

    Raises:
        Unreadable.
    """
    status = text(refund, "status")
    if status not in REFUND_STATES:
        raise Unreadable(f"refund status {status!r} is not known")
    state, event = REFUND_STATES[status]
    failure = optional_text(refund, "failure_reason")
    return RefundObservation(
        id=text(refund, "id"),
        state=state,
        event=event,
        amount_minor=minor(refund, "amount"),
        currency=text(refund, "currency").upper(),
        charge=id_of(refund, "charge"),
        failure_code=(failure or status) if state is RefundState.FAILED else None,
        transaction=shown_transaction(refund),
        failure_transaction=shown_transaction(refund, "failure_balance_transaction"),
    )
