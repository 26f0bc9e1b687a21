"""A refund that is none of ours: it touches a payment of ours, or is another product's."""

from __future__ import annotations

from service.aggregates.threat import threatened_minor, threatened_payment
from service.movements.movement import Movement, Touched
from service.runtime import Runtime
from service.stripe.objects.threats import parse_refund


async def threat_moved(runtime: Runtime, movement: Movement) -> Touched:
    assert movement.source is not None
    threat = parse_refund(movement.source)
    payment = await threatened_payment(runtime, movement.tenant_id, threat)
    amount_minor = threatened_minor(threat, payment)
    return Touched(
        payment.escrow_id, payment.payment_id, amount_minor, threat.reason, threat.source
    )
