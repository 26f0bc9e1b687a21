"""Stripe's objects, read into what we have to know of them. No I/O.

Everything is checked: what does not look as Stripe documents it is Unreadable, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from service.domain import ids
from service.domain.lifecycle import PayeeState, PaymentState, PayoutState

Object = Mapping[str, Any]


class Unreadable(Exception):
    """An object of Stripe that is not as documented; it waits for a person."""


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """What a charge did to the balance. Amounts in minor units of ``currency`` (upper case)."""

    id: str
    net_minor: int
    fee_minor: int
    currency: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentObservation:
    """What Stripe tells about a payment.

    ``told_at`` is Stripe's time of the news; None when it was read just now, which is newest.
    """

    state: PaymentState
    told_at: datetime | None
    payment_intent: str | None = None
    checkout_session: str | None = None
    charge: str | None = None
    received_minor: int = 0
    currency: str = ""
    balance: BalanceTransaction | None = None
    failure_code: str | None = None
    failure_decline_code: str | None = None
    failure_message: str | None = None


@dataclass(frozen=True, slots=True)
class PayoutObservation:
    """What Stripe tells about a payout."""

    id: str
    state: PayoutState
    amount_minor: int
    currency: str
    arrival_at: datetime | None
    failure_code: str | None
    failure_message: str | None


@dataclass(frozen=True, slots=True)
class AccountObservation:
    """What Stripe tells about a payee's account."""

    id: str
    state: PayeeState
    requirements_due: list[str]


INTENT_STATES: Mapping[str, PaymentState] = {
    "requires_payment_method": PaymentState.REQUIRES_PAYMENT_METHOD,
    "requires_confirmation": PaymentState.REQUIRES_PAYMENT_METHOD,
    "requires_action": PaymentState.REQUIRES_ACTION,
    "processing": PaymentState.PROCESSING,
    "requires_capture": PaymentState.REQUIRES_CAPTURE,
    "succeeded": PaymentState.SUCCEEDED,
    "canceled": PaymentState.CANCELED,
}
PAYOUT_STATES: Mapping[str, PayoutState] = {
    "pending": PayoutState.PENDING,
    "in_transit": PayoutState.IN_TRANSIT,
    "paid": PayoutState.PAID,
    "failed": PayoutState.FAILED,
    "canceled": PayoutState.CANCELED,
}


def time_of(seconds: object) -> datetime:
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise Unreadable(f"{seconds!r} is not a time of Stripe")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise Unreadable(f"{seconds!r} is not a time of Stripe") from error


def _text(source: Object, name: str) -> str:
    value = _optional_text(source, name)
    if not value:
        raise Unreadable(f"{source.get('object', 'object')}.{name} is missing")
    return value


def _optional_text(source: Object, name: str) -> str | None:
    value = source.get(name)
    if value is None or (isinstance(value, str) and _is_storable(value)):
        return value
    raise Unreadable(f"{source.get('object', 'object')}.{name} is not a text")


def _is_storable(text: str) -> bool:
    """PostgreSQL keeps no NUL, and UTF-8 no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _part(source: Object, name: str) -> Object:
    """An object inside another; empty where there is none."""
    value = source.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Unreadable(f"{source.get('object', 'object')}.{name} is not an object")
    return value


def _minor(source: Object, name: str) -> int:
    value = source.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unreadable(f"{source.get('object', 'object')}.{name} is not an amount")
    return value


def _id_of(source: Object, name: str) -> str | None:
    """The id in a field that may be expanded."""
    value = source.get(name)
    return _text(value, "id") if isinstance(value, Mapping) else _optional_text(source, name)


def our_id(source: Object, name: str) -> UUID | None:
    """One of our ids in an object's metadata; None when the object is not ours."""
    metadata = source.get("metadata")
    text = metadata.get(name) if isinstance(metadata, Mapping) else None
    if not isinstance(text, str):
        return None
    try:
        return ids.read(text)
    except ValueError:
        return None


def read_payment_intent(intent: Object, told_at: datetime | None) -> PaymentObservation:
    status = _text(intent, "status")
    if status not in INTENT_STATES:
        raise Unreadable(f"payment intent status {status!r} is not known")
    charge = intent.get("latest_charge")
    failure = _part(intent, "last_payment_error")
    balance = charge.get("balance_transaction") if isinstance(charge, Mapping) else None
    return PaymentObservation(
        state=INTENT_STATES[status],
        told_at=told_at,
        payment_intent=_text(intent, "id"),
        charge=_id_of(intent, "latest_charge"),
        received_minor=_minor(intent, "amount_received"),
        currency=_text(intent, "currency").upper(),
        balance=read_balance_transaction(balance) if isinstance(balance, Mapping) else None,
        failure_code=_optional_text(failure, "code"),
        failure_decline_code=_optional_text(failure, "decline_code"),
        failure_message=_optional_text(failure, "message"),
    )


def read_balance_transaction(transaction: Object) -> BalanceTransaction:
    return BalanceTransaction(
        id=_text(transaction, "id"),
        net_minor=_minor(transaction, "net"),
        fee_minor=_minor(transaction, "fee"),
        currency=_text(transaction, "currency").upper(),
        created_at=time_of(transaction.get("created")),
    )


def read_checkout_session(session: Object, told_at: datetime | None) -> PaymentObservation:
    """A session says how far the page is; that money came is said by its payment intent."""
    status = session.get("status")
    expired = status == "expired"
    return PaymentObservation(
        state=PaymentState.CANCELED if expired else PaymentState.REQUIRES_PAYMENT_METHOD,
        told_at=told_at,
        checkout_session=_text(session, "id"),
        payment_intent=_id_of(session, "payment_intent"),
        currency=str(session.get("currency") or "").upper(),
    )


def read_payout(payout: Object) -> PayoutObservation:
    status = _text(payout, "status")
    if status not in PAYOUT_STATES:
        raise Unreadable(f"payout status {status!r} is not known")
    arrival = payout.get("arrival_date")
    return PayoutObservation(
        id=_text(payout, "id"),
        state=PAYOUT_STATES[status],
        amount_minor=_minor(payout, "amount"),
        currency=_text(payout, "currency").upper(),
        arrival_at=time_of(arrival) if arrival is not None else None,
        failure_code=_optional_text(payout, "failure_code"),
        failure_message=_optional_text(payout, "failure_message"),
    )


def read_account_v1(account: Object) -> AccountObservation:
    capabilities = account.get("capabilities") or {}
    requirements = account.get("requirements") or {}
    reason = str(requirements.get("disabled_reason") or "")
    ready = capabilities.get("transfers") == "active" and account.get("payouts_enabled") is True
    if ready:
        state = PayeeState.ACTIVE
    elif reason.startswith("rejected"):
        state = PayeeState.REJECTED
    elif account.get("details_submitted"):
        state = PayeeState.RESTRICTED
    else:
        state = PayeeState.ONBOARDING
    due = [str(name) for name in requirements.get("currently_due") or []]
    return AccountObservation(_text(account, "id"), state, due)


def read_account_v2(account: Object) -> AccountObservation:
    """The state follows the capability that lets money in: recipient, stripe_transfers."""
    recipient = (account.get("configuration") or {}).get("recipient") or {}
    balance = (recipient.get("capabilities") or {}).get("stripe_balance") or {}
    transfers = balance.get("stripe_transfers") or {}
    payouts = balance.get("payouts") or {}
    details = [str(detail.get("code")) for detail in transfers.get("status_details") or []]
    entries = (account.get("requirements") or {}).get("entries") or []
    due = [str(entry.get("description")) for entry in entries]
    paid_out = payouts.get("status") in (None, "active")
    if account.get("closed"):
        state = PayeeState.DEAUTHORIZED
    elif transfers.get("status") == "active" and paid_out:
        state = PayeeState.ACTIVE
    elif any(code.startswith("rejected") for code in details):
        state = PayeeState.REJECTED
    elif due:
        state = PayeeState.ONBOARDING
    else:
        state = PayeeState.RESTRICTED
    return AccountObservation(_text(account, "id"), state, due)


def moment_of(value: object) -> datetime:
    """A time of v1 (seconds) or of v2 (RFC 3339)."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError) as error:
            raise Unreadable(f"{value!r} is not a time of Stripe") from error
    return time_of(value)
