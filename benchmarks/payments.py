"""The payments of a run as Stripe shows them: every one of them is paid."""

from __future__ import annotations

from typing import Any

from benchmarks.fixture import PAID_MINOR, PAYEES, number
from service.domain import ids


def payment_intent(n: int) -> dict[str, Any]:
    """Of payment n, and of the size that Stripe's payment intents have."""
    filler = {f"field_{line}": "a value that is as long as they are" for line in range(40)}
    return {
        "id": f"pi_{n}",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": PAID_MINOR,
        "amount_received": PAID_MINOR,
        "customer": f"cus_{n % PAYEES}",
        "currency": "usd",
        "latest_charge": f"ch_{n}",
        "metadata": {
            "payment": ids.show(ids.PAYMENT, number("payment", n)),
            "effect": ids.show(ids.EFFECT, number("payment", n)),
        },
        **filler,
    }
