"""A balance transaction: what a charge did to the balance at Stripe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.stripe.objects.values import Object, Unreadable, minor, text, time_of


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """What a charge did to the balance. Amounts in minor units of ``currency`` (upper case)."""

    id: str
    net_minor: int
    fee_minor: int
    currency: str
    created_at: datetime


def parse_balance_transaction(transaction: Object) -> BalanceTransaction:
    """Of a charge: neither its net nor its fee is below zero.

    Raises:
        Unreadable.
    """
    if minor(transaction, "net") < 0 or minor(transaction, "fee") < 0:
        raise Unreadable(f"{transaction.get('id')} takes more than it brings")
    return BalanceTransaction(
        id=text(transaction, "id"),
        net_minor=minor(transaction, "net"),
        fee_minor=minor(transaction, "fee"),
        currency=text(transaction, "currency").upper(),
        created_at=time_of(transaction.get("created")),
    )
