"""A balance transaction: what moved a balance at Stripe, as Stripe shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from service.domain.accounts import CONNECTED, PLATFORM


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceTransaction:
    """What Stripe shows of it. Amounts in minor units of ``currency`` (upper case), positive when
    money comes; ``net_minor`` is the amount less the fee. ``source`` is the id of what caused it.
    """

    id: str
    type: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    exchange_rate: Decimal | None
    source: str | None
    created_at: datetime
    available_at: datetime


@dataclass(slots=True)
class BookedTransaction:
    """Its row, written in the commit that books it: ``journal_id`` names the journal.

    ``stripe_account`` is the connected account of the book "connected", None for the platform.
    """

    tenant_id: str
    balance_transaction_id: str
    book: str
    stripe_account: str | None
    type: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    exchange_rate: Decimal | None
    source: str | None
    created_at: datetime
    available_at: datetime
    journal_id: UUID | None
    recorded_at: datetime


def booked(
    tenant_id: str,
    shown: BalanceTransaction,
    journal_id: UUID | None,
    now: datetime,
    *,
    account: str | None = None,
) -> BookedTransaction:
    """The row of a balance transaction of the platform, or of a connected ``account``."""
    return BookedTransaction(
        tenant_id=tenant_id,
        balance_transaction_id=shown.id,
        book=CONNECTED if account else PLATFORM,
        stripe_account=account,
        type=shown.type,
        amount_minor=shown.amount_minor,
        fee_minor=shown.fee_minor,
        net_minor=shown.net_minor,
        currency=shown.currency,
        exchange_rate=shown.exchange_rate,
        source=shown.source,
        created_at=shown.created_at,
        available_at=shown.available_at,
        journal_id=journal_id,
        recorded_at=now,
    )
