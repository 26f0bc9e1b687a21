"""Refunds, disputes and early fraud warnings: what takes a payment back, or threatens to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service.domain.records.freeze import FreezeReason
from service.stripe.objects.values import Object, id_of, minor, optional_text, text

NO_MORE_REFUNDS = frozenset({"failed", "canceled"})
# Lost is not among them: the money is gone.
DISPUTES_OVER = frozenset({"won", "warning_closed", "prevented"})


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


def parse_dispute(dispute: Object) -> Threat:
    """An inquiry as well: it moves nothing, and may become a chargeback. Raises Unreadable."""
    status = text(dispute, "status")
    return Threat(
        reason=FreezeReason.CHARGEBACK,
        source=text(dispute, "id"),
        payment_intent=id_of(dispute, "payment_intent"),
        charge=id_of(dispute, "charge"),
        amount_minor=minor(dispute, "amount"),
        currency=text(dispute, "currency").upper(),
        stage="inquiry" if status.startswith("warning_") else "chargeback",
        over=status in DISPUTES_OVER,
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


PARSERS: Mapping[str, Callable[[Object], Threat]] = {
    "refund": parse_refund,
    "dispute": parse_dispute,
    "radar.early_fraud_warning": parse_early_fraud_warning,
}
"""By the name of Stripe's object."""
