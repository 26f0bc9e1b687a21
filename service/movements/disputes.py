"""A dispute's money: it touches a payment of ours, or is another product's."""

from __future__ import annotations

from service.aggregates.threat import threatened_payment
from service.domain.records.freeze import FreezeReason
from service.movements.movement import Movement, Touched
from service.runtime import Runtime
from service.stripe.objects.dispute import parse_dispute


async def dispute_moved(runtime: Runtime, movement: Movement) -> Touched:
    """The dispute is the one that Stripe's list shows with its balance transaction."""
    assert movement.source is not None
    seen = parse_dispute(movement.source)
    payment = await threatened_payment(runtime, movement.tenant_id, seen)
    return Touched(
        payment.escrow_id, payment.payment_id, 0, FreezeReason.CHARGEBACK, seen.id, dispute=seen
    )
