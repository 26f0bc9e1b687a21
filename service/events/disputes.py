"""Events of disputes: chargebacks and inquiries."""

from __future__ import annotations

from service.events.threats import threat_seen
from service.stripe.gateway import StripeGateway
from service.stripe.objects.threats import parse_dispute

dispute_changed = threat_seen(StripeGateway.fetch_dispute, parse_dispute)

PLATFORM = {
    "charge.dispute.created": dispute_changed,
    "charge.dispute.updated": dispute_changed,
    "charge.dispute.funds_withdrawn": dispute_changed,
    "charge.dispute.funds_reinstated": dispute_changed,
    "charge.dispute.closed": dispute_changed,
}
