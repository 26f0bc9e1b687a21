"""Events of refunds: of ours, and of those that somebody made at Stripe."""

from __future__ import annotations

from service.aggregates.escrow import open_case
from service.aggregates.refund_observed import observe_refund
from service.aggregates.refund_seen import refund_of_ours
from service.domain.unit import UnitOfWork
from service.events.event import Event, change
from service.events.threats import threat_seen
from service.runtime import Runtime
from service.stripe.gateway import StripeGateway
from service.stripe.objects import threats
from service.stripe.objects.refund import parse_refund
from service.stripe.objects.values import text

not_asked_for = threat_seen(StripeGateway.fetch_refund, threats.parse_refund, moves=True)


async def refund_changed(runtime: Runtime, event: Event) -> None:
    """The refund is fetched: whether it has paid, or failed, is Stripe's API's to say."""
    tenant_id = event.stored.tenant_id
    found = await refund_of_ours(runtime, tenant_id, event.object)
    if found is None or found.is_earlier:
        await not_asked_for(runtime, event)
        return
    gateway = runtime.stripe[tenant_id].for_workers
    seen = parse_refund(await gateway.fetch_refund(text(event.object, "id")))

    async def story(unit: UnitOfWork) -> None:
        case = await open_case(runtime, unit, found.escrow_id)
        observe_refund(case, case.refund_of(found.refund_id), seen)

    await change(runtime, event.stored, story)


PLATFORM = {
    "refund.created": refund_changed,
    "refund.updated": refund_changed,
    "refund.failed": refund_changed,
}
