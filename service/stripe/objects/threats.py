"""Refunds and early fraud warnings: what takes a payment back, or threatens to."""

from __future__ import annotations

from dataclasses import dataclass

from service.domain.records.freeze import FreezeReason
from service.stripe.objects.values import Object, id_of, minor, optional_text, text

NO_MORE_REFUNDS = frozenset({"failed", "canceled"})


@dataclass(frozen=True, slots=True)
class Threat:
    """What threatens a payment, which it names by its charge, its payment intent or both.

    ``amount_minor`` is in ``currency`` (upper case); None for the whole payment. ``stage`` is how
    far it has come; ``over``: it threatens nothing any more.
    """

    reason: FreezeReason
    source: str
    payment_intent: str | None
    charge: str | None
    amount_minor: int | None
    currency: str
    stage: str
    over: bool = False


def parse_refund(refund: Object) -> Threat:
    """Raises Unreadable."""
    return Threat(
        reason=FreezeReason.REFUND,
        source=text(refund, "id"),
        payment_intent=id_of(refund, "payment_intent"),
        charge=id_of(refund, "charge"),
        amount_minor=minor(refund, "amount"),
        currency=text(refund, "currency").upper(),
        stage="refund",
        over=optional_text(refund, "status") in NO_MORE_REFUNDS,
    )


def parse_early_fraud_warning(warning: Object) -> Threat:
    """Raises Unreadable."""
    return Threat(
        reason=FreezeReason.EARLY_FRAUD_WARNING,
        source=text(warning, "id"),
        payment_intent=id_of(warning, "payment_intent"),
        charge=id_of(warning, "charge"),
        amount_minor=None,
        currency="",
        stage="warning",
    )
