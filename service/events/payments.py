"""What the events of payment intents, charges and Checkout sessions share: a payment of ours."""

from __future__ import annotations

from uuid import UUID

from service.aggregates.escrow import EscrowCase, open_case
from service.aggregates.payment import observe_payment, payment_named
from service.domain.unit import UnitOfWork
from service.events.event import Event, NotOurs, Unmatched, change
from service.runtime import Runtime
from service.store.escrows import BY_PAYMENT, BY_PAYMENT_INTENT
from service.stripe.objects.payment_intent import PaymentObservation
from service.stripe.objects.values import our_id


async def observe(runtime: Runtime, event: Event, seen: PaymentObservation) -> None:
    """Books what an event shows of a payment.

    Raises:
        NotOurs: neither the metadata nor the payment intent is of a payment of ours.
        Unmatched: the metadata names a payment that we do not know (yet).
        Contradiction.
    """
    payment_id = our_id(event.object, "payment")

    async def story(unit: UnitOfWork) -> None:
        case = await _open(runtime, unit, payment_id, seen)
        payment = case.payment(payment_id) if payment_id else payment_named(case, seen)
        observe_payment(case, payment, seen)

    await change(runtime, event.stored, story)


async def _open(
    runtime: Runtime, unit: UnitOfWork, payment_id: UUID | None, seen: PaymentObservation
) -> EscrowCase:
    if payment_id:
        unknown = Unmatched("no payment of ours")
        return await open_case(runtime, unit, payment_id, by=BY_PAYMENT, missing=lambda: unknown)
    # All that we make carries our metadata; a person may have removed it.
    foreign = NotOurs("no payment")
    if not seen.payment_intent:
        raise foreign
    return await open_case(
        runtime, unit, seen.payment_intent, by=BY_PAYMENT_INTENT, missing=lambda: foreign
    )
