"""Events of disputes: chargebacks and inquiries."""

from __future__ import annotations

import structlog

from service.aggregates.chargeback import observe_dispute
from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import open_case
from service.aggregates.threat import threatened_payment
from service.domain.unit import UnitOfWork
from service.events.event import Event, change
from service.events.threats import check_ours
from service.runtime import Runtime
from service.store.commit import StripeObjectTaken
from service.stripe.objects.dispute import parse_dispute, parse_named_dispute

log = structlog.get_logger()


async def dispute_changed(runtime: Runtime, event: Event) -> None:
    """The dispute is fetched: where it is, and what it took, is Stripe's API's to say. What
    it moved is booked with it.
    """
    tenant_id, told = event.stored.tenant_id, parse_named_dispute(event.object)
    await check_ours(runtime, tenant_id, told)
    gateway = runtime.stripe[tenant_id].for_workers
    seen = parse_dispute(await gateway.fetch_dispute(told.id))
    found = await threatened_payment(runtime, tenant_id, seen)

    async def story(unit: UnitOfWork) -> None:
        case = await open_case(runtime, unit, found.escrow_id)
        await observe_dispute(runtime, case, case.payment(found.payment_id), seen)

    try:
        await change(runtime, event.stored, story)
    except Contradiction as met:
        if not isinstance(met.__cause__, StripeObjectTaken):
            raise
        await change(runtime, event.stored, story)  # the sweep was faster, and has booked it
    log.warning(
        "payment disputed",
        tenant=tenant_id,
        escrow=found.escrow_id.hex,
        dispute=seen.id,
        state=seen.state,
        withdrawn_minor=seen.withdrawn_minor,
        reinstated_minor=seen.reinstated_minor,
    )


PLATFORM = {
    "charge.dispute.created": dispute_changed,
    "charge.dispute.updated": dispute_changed,
    "charge.dispute.funds_withdrawn": dispute_changed,
    "charge.dispute.funds_reinstated": dispute_changed,
    "charge.dispute.closed": dispute_changed,
}
