"""Sends the data of a payer or payee to Stripe while the client waits."""

from __future__ import annotations

from uuid import UUID

from service.domain.call import Call
from service.operations.send_now import send_now
from service.runtime import Runtime


def correct(kind: str, party_id: str) -> str:
    """What to do about data that Stripe refuses. ``kind`` is payer or payee."""
    return f"Correct the {kind}'s data with Update{kind.capitalize()} ({party_id})."


async def send_data(
    runtime: Runtime, call: Call, effect_id: UUID, kind: str, party_id: str
) -> None:
    """What Stripe refused before is sent again. ``party_id`` is the one that callers know.

    Raises:
        StripeRefused: it says how the data are corrected. StripeUnavailable.
    """
    mend, facts = correct(kind, party_id), {f"{kind}_id": party_id}
    await send_now(runtime, call, effect_id, renew=True, mend=mend, facts=facts)
