"""The balance of an account at Stripe."""

from __future__ import annotations

from service.stripe.objects.values import Object, Unreadable, minor, parts, text


def parse_pending(balance: Object) -> dict[str, int]:
    """What cannot be paid out yet, by currency (upper case), in minor units. Raises Unreadable."""
    shown = parts(balance, "pending")
    if not shown:
        raise Unreadable("a balance without what is pending")
    return {text(each, "currency").upper(): minor(each, "amount") for each in shown}
