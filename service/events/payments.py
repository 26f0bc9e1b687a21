"""What the events of payment intents, charges and Checkout sessions share: a payment of ours."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from service.aggregates.contradiction import Contradiction, NotOurs
from service.aggregates.escrow import EscrowCase, open_case
from service.aggregates.payment import check_observation, observe_payment, payment_named
from service.aggregates.proof import NotProven, binds, fetch_proven
from service.domain.records.payment import Payment
from service.domain.states.payment import PAYMENT_ENDED, PAYMENT_RANK, PaymentState
from service.domain.unit import UnitOfWork
from service.events.event import Event, Unmatched, change
from service.runtime import Runtime
from service.store.escrows import BY_PAYMENT, BY_PAYMENT_INTENT
from service.stripe.objects.payment_intent import PaymentObservation
from service.stripe.objects.values import our_id


class _Hearsay(Exception):
    """It would end the payment, or make an intent the payment's own: Stripe's API is asked."""

    def __init__(self, payment: Payment) -> None:
        super().__init__(payment.public_id)
        self.payment = payment


async def observe(
    runtime: Runtime, event: Event, seen: PaymentObservation, *, proven: bool = False
) -> None:
    """Books what an event shows of a payment, or what was fetched because of it. ``proven``: it was
    fetched, with the payment's page if it has one.

    Raises:
        NotOurs: neither the metadata nor the payment intent is of a payment of ours.
        Unmatched: the metadata names a payment that we do not know (yet).
        Contradiction: it is not what we asked for, or not what Stripe's API says.
        StripeRefused, StripeUnavailable, Unreadable.
    """
    try:
        await _observe(runtime, event, seen, proven=proven)
    except _Hearsay as hearsay:
        shown = await _fetch(runtime, hearsay.payment, seen)
        _hold_against(shown, seen)
        if seen.state is PaymentState.SUCCEEDED:
            shown = replace(shown, paid_at=seen.seen_at)
        await _observe(runtime, event, shown, proven=True)


async def _observe(
    runtime: Runtime, event: Event, seen: PaymentObservation, *, proven: bool
) -> None:
    payment_id = our_id(event.object, "payment")

    async def story(unit: UnitOfWork) -> None:
        case = await _open(runtime, unit, payment_id, seen)
        payment = case.payment(payment_id) if payment_id else payment_named(case, seen)
        check_observation(case, payment, seen)
        if not proven and _needs_proof(payment, seen):
            raise _Hearsay(payment)
        observe_payment(case, payment, seen)

    await change(runtime, event.stored, story)


def _needs_proof(payment: Payment, seen: PaymentObservation) -> bool:
    """Whether it would end the payment by an event's word, or make an intent the payment's own."""
    told = seen.seen_at is not None and seen.state in PAYMENT_ENDED
    ends = told and PAYMENT_RANK[seen.state] > PAYMENT_RANK[payment.state]
    return ends or binds(payment, seen.payment_intent)


async def _fetch(
    runtime: Runtime, payment: Payment, seen: PaymentObservation
) -> PaymentObservation:
    intent_id = seen.payment_intent or payment.stripe_payment_intent or ""
    try:
        return await fetch_proven(runtime, payment, intent_id)
    except NotProven as reason:
        raise Unmatched(str(reason)) from reason


def _hold_against(shown: PaymentObservation, told: PaymentObservation) -> None:
    """A state only grows older, so what an event tells cannot be ahead of Stripe's API.

    Raises:
        Contradiction.
    """
    if told.state in PAYMENT_ENDED and PAYMENT_RANK[shown.state] < PAYMENT_RANK[told.state]:
        raise Contradiction(f"the event tells {told.state}, and Stripe's API {shown.state}")
    if told.state in PAYMENT_ENDED and told.charge not in (None, shown.charge):
        raise Contradiction(f"the event tells {told.charge}, and Stripe's API {shown.charge}")
    if told.state is PaymentState.SUCCEEDED and told.received_minor != shown.received_minor:
        raise Contradiction(
            f"the event tells {told.received_minor}, and Stripe's API {shown.received_minor}"
        )


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
