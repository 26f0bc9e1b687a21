"""THE table of effect kinds: one line a kind, one file behind each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.domain.records.effect import EffectKind
from service.effects.cancel_payment import CANCEL_PAYMENT
from service.effects.capture_payment import CAPTURE_PAYMENT
from service.effects.create_account import CREATE_ACCOUNT
from service.effects.create_checkout_session import CREATE_CHECKOUT_SESSION
from service.effects.create_customer import CREATE_CUSTOMER
from service.effects.create_payment_intent import CREATE_PAYMENT_INTENT
from service.effects.create_payout import CREATE_PAYOUT
from service.effects.create_refund import CREATE_REFUND
from service.effects.create_transfer import CREATE_TRANSFER
from service.effects.kind import Kind
from service.effects.reverse_transfer import REVERSE_TRANSFER
from service.effects.set_manual_payouts import SET_MANUAL_PAYOUTS
from service.effects.stage_evidence import STAGE_EVIDENCE
from service.effects.submit_evidence import SUBMIT_EVIDENCE
from service.effects.update_account import UPDATE_ACCOUNT
from service.effects.update_customer import UPDATE_CUSTOMER
from service.effects.upload_evidence import UPLOAD_EVIDENCE

KINDS: Mapping[EffectKind, Kind[Any]] = {
    EffectKind.CREATE_CUSTOMER: CREATE_CUSTOMER,
    EffectKind.UPDATE_CUSTOMER: UPDATE_CUSTOMER,
    EffectKind.CREATE_ACCOUNT: CREATE_ACCOUNT,
    EffectKind.UPDATE_ACCOUNT: UPDATE_ACCOUNT,
    EffectKind.SET_MANUAL_PAYOUTS: SET_MANUAL_PAYOUTS,
    EffectKind.CREATE_PAYMENT_INTENT: CREATE_PAYMENT_INTENT,
    EffectKind.CREATE_CHECKOUT_SESSION: CREATE_CHECKOUT_SESSION,
    EffectKind.CAPTURE_PAYMENT: CAPTURE_PAYMENT,
    EffectKind.CANCEL_PAYMENT: CANCEL_PAYMENT,
    EffectKind.CREATE_TRANSFER: CREATE_TRANSFER,
    EffectKind.CREATE_PAYOUT: CREATE_PAYOUT,
    EffectKind.CREATE_REFUND: CREATE_REFUND,
    EffectKind.REVERSE_TRANSFER: REVERSE_TRANSFER,
    EffectKind.UPLOAD_EVIDENCE: UPLOAD_EVIDENCE,
    EffectKind.STAGE_EVIDENCE: STAGE_EVIDENCE,
    EffectKind.SUBMIT_EVIDENCE: SUBMIT_EVIDENCE,
}
