"""The reversal of a transfer, as Stripe shows it."""

from __future__ import annotations

from typing import NamedTuple

from service.stripe.objects.values import Object, Unreadable, id_of, minor, text


class ReversalObservation(NamedTuple):
    """``amount_minor`` is in minor units of ``currency`` (upper case), the transfer's.
    ``transaction`` moved the platform's balance, and ``refund`` is what it did in the payee's
    account.
    """

    id: str
    transfer: str
    transaction: str
    amount_minor: int
    currency: str
    refund: str


def parse_reversal(shown: Object) -> ReversalObservation:
    """Raises Unreadable: it is none, or shows what cannot be."""
    amount_minor = minor(shown, "amount")
    if shown.get("object") != "transfer_reversal" or amount_minor <= 0:
        raise Unreadable(f"no reversal: {shown.get('object')} of {amount_minor}")
    return ReversalObservation(
        id=text(shown, "id"),
        transfer=id_of(shown, "transfer") or "",
        transaction=id_of(shown, "balance_transaction") or "",
        amount_minor=amount_minor,
        currency=text(shown, "currency").upper(),
        refund=id_of(shown, "destination_payment_refund") or "",
    )
