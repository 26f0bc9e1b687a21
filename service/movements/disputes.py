"""A dispute's money: it touches a payment of ours, or is another product's."""

from __future__ import annotations

from service.aggregates.chargeback import observe_dispute
from service.aggregates.chargeback_money import EXPLAINED, MOVED
from service.aggregates.escrow import open_case
from service.aggregates.payment import transaction_source
from service.aggregates.threat import threatened_payment
from service.domain.records.freeze import FreezeReason
from service.domain.unit import UnitOfWork
from service.movements.movement import Movement, Touched, add_row, run
from service.runtime import Runtime
from service.stripe.objects.dispute import parse_dispute

KINDS = (*MOVED, *EXPLAINED)


async def dispute_moved(runtime: Runtime, movement: Movement) -> Touched | None:
    """Postings 13a and 14a. The dispute is the one that Stripe's list shows with its balance
    transaction; one that does not tell of it leaves it unexplained.
    """
    assert movement.source is not None
    seen, shown = parse_dispute(movement.source), movement.shown
    found = await threatened_payment(runtime, movement.tenant_id, seen)

    async def story(unit: UnitOfWork) -> bool:
        case = await open_case(runtime, unit, found.escrow_id)
        case.touch()
        unit.note = f"{shown.type} {shown.source or ''}".strip()
        await observe_dispute(runtime, case, case.payment(found.payment_id), seen, fact=shown.id)
        return await add_row(runtime, unit, movement, transaction_source(shown.id), *KINDS)

    # A key of its own, for it may have been booked as unexplained before.
    if await run(runtime, movement, story, key=f"{shown.id}:dispute"):
        return None
    return Touched(
        found.escrow_id, found.payment_id, 0, FreezeReason.CHARGEBACK, seen.id, dispute=seen
    )
