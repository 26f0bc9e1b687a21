"""Parameters of Stripe that several kinds share.

The parameters of a call are stored with its effect, so that one idempotency key always carries the
same ones, whatever version of this code sends it.
"""

from __future__ import annotations

from typing import Any

from service.domain import ids
from service.domain.records.payment import CaptureStrategy, Payment


def amount(amount_minor: int, currency: str) -> dict[str, Any]:
    return {"amount": amount_minor, "currency": currency.lower()}


def payment_metadata(payment: Payment, effect: str) -> dict[str, str]:
    """Copied by Stripe to the charge, so that every event of a payment names it."""
    return {
        "tenant": payment.tenant_id,
        "escrow": ids.show(ids.ESCROW, payment.escrow_id),
        "payment": payment.public_id,
        "effect": effect,
    }


def capture_method(payment: Payment) -> str:
    return "manual" if payment.capture is CaptureStrategy.MANUAL else "automatic_async"
