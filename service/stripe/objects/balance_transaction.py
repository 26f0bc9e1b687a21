"""A balance transaction, and the object at Stripe that caused it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from service.domain.records.balance_transaction import BalanceTransaction
from service.stripe.objects.values import Object, Unreadable, id_of, minor, text, time_of

_ID = re.compile(r"txn_[A-Za-z0-9]+")  # a part of accounts' names


def parse_balance_transaction(transaction: Object) -> BalanceTransaction:
    """Raises Unreadable."""
    transaction_id = text(transaction, "id")
    if not _ID.fullmatch(transaction_id):
        raise Unreadable(f"{transaction_id!r} is not the id of a balance transaction")
    amount_minor, fee_minor = minor(transaction, "amount"), minor(transaction, "fee")
    net_minor = minor(transaction, "net")
    if net_minor != amount_minor - fee_minor:
        raise Unreadable(f"{transaction_id} is of {amount_minor} less {fee_minor}, not {net_minor}")
    return BalanceTransaction(
        id=transaction_id,
        type=text(transaction, "type"),
        amount_minor=amount_minor,
        fee_minor=fee_minor,
        net_minor=net_minor,
        currency=text(transaction, "currency").upper(),
        exchange_rate=_rate(transaction),
        source=id_of(transaction, "source"),
        created_at=time_of(transaction.get("created")),
        available_at=time_of(transaction.get("available_on")),
    )


def shown_transaction(
    source: Object, name: str = "balance_transaction"
) -> BalanceTransaction | None:
    """The balance transaction inside an object; None when it has none yet.

    Raises:
        Unreadable: it is there, and was not asked for with its contents (``expand``).
    """
    shown = source.get(name)
    if shown is None:
        return None
    if not isinstance(shown, Mapping):
        raise Unreadable(f"{source.get('object')}.{name} is not expanded")
    return parse_balance_transaction(shown)


def _rate(transaction: Object) -> Decimal | None:
    rate = transaction.get("exchange_rate")
    if rate is None:
        return None
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 10**12:
        raise Unreadable(f"exchange_rate {rate!r} is not a rate")
    return Decimal(str(rate))
