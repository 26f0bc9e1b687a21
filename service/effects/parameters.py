"""Parameters of Stripe that several kinds share.

The parameters of a call are stored with its effect, so that one idempotency key always carries the
same ones, whatever version of this code sends it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from service.domain import ids
from service.domain.records.effect import Effect
from service.domain.records.parties import AccountApi, Payee, Payer
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


def customer_details(payer: Payer) -> dict[str, Any]:
    """What a payer's customer shows of them, and what an update of the payer changes there."""
    return {"name": payer.name, "email": payer.email}


def account_details(payee: Payee) -> dict[str, Any]:
    """The same of a payee's account: what a platform may still change in one that exists."""
    if payee.account_api is AccountApi.V1:
        return {"email": payee.email}
    return {"contact_email": payee.email, "display_name": payee.name}


def sends(effect: Effect, details: dict[str, Any]) -> bool:
    """Whether an effect has sent these details; else the party was changed after it was planned."""
    return details.items() <= effect.request.items()


def of_update(effect_id: UUID, generation: int) -> dict[str, Any]:
    """By what an object shows which change of ours was the last: its values say too little, for
    Stripe may write them otherwise, and a value may come back.
    """
    return {"metadata": {"update": f"{ids.show(ids.EFFECT, effect_id)}:{generation}"}}
