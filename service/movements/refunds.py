"""A refund's money: of one of ours, or of one that somebody made at Stripe."""

from __future__ import annotations

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import open_case
from service.aggregates.payment import transaction_source
from service.aggregates.refund_observed import CONFIRMED, FAILED, observe_refund
from service.aggregates.refund_seen import FoundRefund, refund_of_ours
from service.domain.unit import UnitOfWork
from service.movements.movement import Movement, Touched, add_row, gateway_of, run
from service.movements.threats import threat_moved
from service.runtime import Runtime
from service.store.commit import StripeObjectTaken
from service.stripe.objects.refund import parse_refund
from service.stripe.objects.values import text

KINDS = (*CONFIRMED.values(), *FAILED.values())


async def refund_moved(runtime: Runtime, movement: Movement) -> Touched | None:
    """Postings 9b and 9c, where the answer to our call was lost and no event came either."""
    assert movement.source is not None
    found = await refund_of_ours(runtime, movement.tenant_id, movement.source)
    if found is not None and not found.is_earlier and await _booked(runtime, movement, found):
        return None
    return await threat_moved(runtime, movement)


async def _booked(runtime: Runtime, movement: Movement, found: FoundRefund) -> bool:
    """Whether this movement is of our refund; books what is new of that."""
    assert movement.source is not None
    shown = await gateway_of(runtime, movement).fetch_refund(text(movement.source, "id"))
    seen = parse_refund(shown)

    async def story(unit: UnitOfWork) -> bool:
        case = await open_case(runtime, unit, found.escrow_id)
        observe_refund(case, case.refund_of(found.refund_id), seen)
        source = transaction_source(movement.shown.id)
        return await add_row(runtime, unit, movement, source, *KINDS)

    try:
        return await run(runtime, movement, story)
    except (Contradiction, StripeObjectTaken):
        return False
