"""The parameters of every call, as Stripe takes them. They are stored with the effect, so that one
idempotency key always carries the same parameters, whatever version of this code sends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.domain import ids
from service.domain.model import (
    AccountApi,
    CaptureStrategy,
    Escrow,
    Milestone,
    Payee,
    Payer,
    Payment,
    Payout,
    Release,
)
from service.domain.money import format_minor


def _amount(amount_minor: int, currency: str) -> dict[str, Any]:
    return {"amount": amount_minor, "currency": currency.lower()}


def payment_metadata(payment: Payment, effect: str) -> dict[str, str]:
    """Copied by Stripe to the charge, so that every event of a payment names it."""
    return {
        "tenant": payment.tenant_id,
        "escrow": ids.show(ids.ESCROW, payment.escrow_id),
        "payment": ids.show(ids.PAYMENT, payment.payment_id),
        "effect": effect,
    }


def payment_intent(payment: Payment, payer: Payer, reference: str, effect: str) -> dict[str, Any]:
    manual = payment.capture is CaptureStrategy.MANUAL
    return {
        **_amount(payment.amount_minor, payment.currency),
        "customer": payer.stripe_customer,
        "automatic_payment_methods": {"enabled": True},
        "capture_method": "manual" if manual else "automatic_async",
        "description": f"Escrow for {reference}",
        "transfer_group": ids.show(ids.ESCROW, payment.escrow_id),
        "metadata": payment_metadata(payment, effect),
    }


def checkout_session(
    payment: Payment,
    payer: Payer,
    escrow: Escrow,
    milestones: Sequence[Milestone],
    return_url: str,
    effect: str,
) -> dict[str, Any]:
    currency = payment.currency
    lines = [_line(m.title, m.amount_minor, currency) for m in milestones]
    fee_minor = sum(milestone.payer_fee_minor for milestone in milestones)
    if fee_minor:
        lines.append(_line("Platform fee", fee_minor, currency))
    metadata = payment_metadata(payment, effect)
    manual = payment.capture is CaptureStrategy.MANUAL
    return {
        "mode": "payment",
        "customer": payer.stripe_customer,
        "line_items": lines,
        "success_url": return_url,
        "cancel_url": return_url,
        "metadata": metadata,
        "payment_intent_data": {
            "capture_method": "manual" if manual else "automatic_async",
            "description": f"Escrow for {escrow.reference}",
            "transfer_group": ids.show(ids.ESCROW, payment.escrow_id),
            "metadata": metadata,
        },
    }


def _line(name: str, amount_minor: int, currency: str) -> dict[str, Any]:
    return {
        "quantity": 1,
        "price_data": {
            "currency": currency.lower(),
            "unit_amount": amount_minor,
            "product_data": {"name": name},
        },
    }


def transfer(
    release: Release, payee: Payee, charge: str, effect: str, generation: int
) -> dict[str, Any]:
    """``source_transaction`` frees the transfer from the available balance, and Stripe caps the
    sum of the transfers at the charge.
    """
    return {
        **_amount(release.payee_share_minor, release.currency),
        "destination": payee.stripe_account,
        "source_transaction": charge,
        "transfer_group": ids.show(ids.ESCROW, release.escrow_id),
        "metadata": {
            "tenant": release.tenant_id,
            "escrow": ids.show(ids.ESCROW, release.escrow_id),
            "milestone": ids.show(ids.MILESTONE, release.milestone_id),
            "release": ids.show(ids.RELEASE, release.release_id),
            "effect": effect,
            "generation": str(generation),
        },
    }


def payout(payout: Payout, effect: str) -> dict[str, Any]:
    return {
        **_amount(payout.amount_minor, payout.currency),
        "description": f"Payout of {format_minor(payout.amount_minor, payout.currency)}",
        "metadata": {
            "tenant": payout.tenant_id,
            "payee": ids.show(ids.PAYEE, payout.payee_id),
            "payout": ids.show(ids.PAYOUT, payout.payout_id),
            "effect": effect,
        },
    }


def customer(payer: Payer, effect: str) -> dict[str, Any]:
    return {
        "name": payer.name,
        "email": payer.email,
        "metadata": {
            "tenant": payer.tenant_id,
            "payer": ids.show(ids.PAYER, payer.payer_id),
            "effect": effect,
        },
    }


def account(payee: Payee, effect: str) -> dict[str, Any]:
    """An Express dashboard, and losses and fees on the platform: it owes the payees their money."""
    metadata = {
        "tenant": payee.tenant_id,
        "payee": ids.show(ids.PAYEE, payee.payee_id),
        "effect": effect,
    }
    if payee.account_api is AccountApi.V1:
        return {
            "country": payee.country,
            "email": payee.email,
            "controller": {
                "stripe_dashboard": {"type": "express"},
                "losses": {"payments": "application"},
                "fees": {"payer": "application"},
            },
            "capabilities": {"transfers": {"requested": True}},
            "settings": {"payouts": {"schedule": {"interval": "manual"}}},
            "metadata": metadata,
        }
    return {
        "contact_email": payee.email,
        "display_name": payee.name,
        "dashboard": "express",
        "identity": {"country": payee.country.lower()},
        "defaults": {
            "responsibilities": {
                "fees_collector": "application",
                "losses_collector": "application",
            }
        },
        "configuration": {
            "recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": _REQUESTED}}}
        },
        "include": list(ACCOUNT_V2_FIELDS),
        "metadata": metadata,
    }


_REQUESTED: Mapping[str, bool] = {"requested": True}
ACCOUNT_V2_FIELDS = ("configuration.recipient", "identity", "requirements")
MANUAL_PAYOUTS: Mapping[str, Any] = {"payments": {"payouts": {"schedule": {"interval": "manual"}}}}


def onboarding_link(
    api: AccountApi, account_id: str, *, return_url: str, refresh_url: str
) -> dict[str, Any]:
    urls = {"return_url": return_url, "refresh_url": refresh_url}
    if api is AccountApi.V1:
        return {"account": account_id, "type": "account_onboarding", **urls}
    return {
        "account": account_id,
        "use_case": {
            "type": "account_onboarding",
            "account_onboarding": urls,
        },
    }
