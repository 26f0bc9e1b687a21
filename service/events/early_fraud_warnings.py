"""Events of early fraud warnings."""

from __future__ import annotations

from service.events.threats import threat_seen
from service.stripe.gateway import StripeGateway
from service.stripe.objects.threats import parse_early_fraud_warning

warning_seen = threat_seen(StripeGateway.fetch_early_fraud_warning, parse_early_fraud_warning)

PLATFORM = {
    "radar.early_fraud_warning.created": warning_seen,
    "radar.early_fraud_warning.updated": warning_seen,
}
