"""Whose a refund at Stripe is: one of ours, or one that somebody made there."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from service.runtime import Runtime
from service.store.refunds import find_refund
from service.stripe.objects.values import Object, our_id, text


class FoundRefund(NamedTuple):
    """A refund of ours, and whether Stripe's object is of an earlier sending of it."""

    escrow_id: UUID
    refund_id: UUID
    is_earlier: bool


async def refund_of_ours(runtime: Runtime, tenant_id: str, shown: Object) -> FoundRefund | None:
    """The refund that an object at Stripe belongs to: by its own id, or by ours in its metadata."""
    refund_id = our_id(shown, "refund")
    found = await find_refund(runtime.pool, tenant_id, text(shown, "id"), refund_id)
    if found is None:
        return None
    known = found.stripe_refund in (None, text(shown, "id"))
    sent_by = our_id(shown, "effect")
    return FoundRefund(
        found.escrow_id, found.refund_id, not known or sent_by not in (None, found.effect_id)
    )
