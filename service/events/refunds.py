"""Events of refunds."""

from __future__ import annotations

from service.events.threats import threat_seen
from service.stripe.gateway import StripeGateway
from service.stripe.objects.threats import parse_refund

refund_changed = threat_seen(StripeGateway.fetch_refund, parse_refund, moves=True)

PLATFORM = {
    "refund.created": refund_changed,
    "refund.updated": refund_changed,
    "refund.failed": refund_changed,
}
