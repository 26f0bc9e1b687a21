"""Takes back at Stripe what can be taken back; money that has moved stays, as test money may."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import stripe
from stripe import StripeClient

OPEN_INTENT = (
    "requires_payment_method", "requires_confirmation", "requires_action", "requires_capture",
)  # fmt: skip


async def clean_up(client: StripeClient, created: Mapping[str, dict[str, Any]]) -> list[str]:
    """Deletes, closes, cancels or expires each object, the newest first.

    Returns what could not be, each as a sentence.
    """
    left = []
    for made, seen in reversed(list(created.items())):
        try:
            await _take_back(client, made, seen)
        except stripe.StripeError as error:
            left.append(f"{made}: {error.user_message or error}")
    return left


async def _take_back(client: StripeClient, made: str, seen: dict[str, Any]) -> None:
    match seen.get("object"):
        case "customer":
            await client.v1.customers.delete_async(made)
        case "account":
            await client.v1.accounts.delete_async(made)
        case "v2.core.account":
            await client.v2.core.accounts.close_async(
                made, {"applied_configurations": ["recipient"]}
            )
        case "checkout.session":
            if (await client.v1.checkout.sessions.retrieve_async(made)).status == "open":
                await client.v1.checkout.sessions.expire_async(made)
        case "payment_intent":
            if (await client.v1.payment_intents.retrieve_async(made)).status in OPEN_INTENT:
                await client.v1.payment_intents.cancel_async(made)


def kinds_of(created: Mapping[str, dict[str, Any]]) -> str:
    """How many of each kind: "6 customer, 2 transfer"."""
    kinds = Counter(str(each.get("object")) for each in created.values())
    return ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
