"""A charge: posting 2 of a payment of ours, or another product's money."""

from __future__ import annotations

from service.aggregates.contradiction import Contradiction, NotOurs
from service.aggregates.escrow import open_case
from service.aggregates.payment import observe_payment, transaction_source
from service.aggregates.proof import NotProven, fetch_proven
from service.domain.errors import StripeRefused
from service.domain.postings import JournalKind
from service.domain.records.freeze import FreezeReason
from service.domain.unit import UnitOfWork
from service.movements.movement import (
    Kinds,
    Movement,
    Touched,
    Undecided,
    add_row,
    run,
)
from service.runtime import Runtime
from service.store.commit import StripeObjectTaken
from service.store.escrows import BY_PAYMENT, find_escrow
from service.store.payments import FoundPayment, find_payment
from service.stripe.objects.payment_intent import PaymentObservation
from service.stripe.objects.values import Unreadable, id_of, optional_text, our_id, text

PAID = frozenset({"charge", "payment"})


FAILED_DEBIT = Kinds(JournalKind.FAILED_DEBIT_BROUGHT, JournalKind.FAILED_DEBIT_TOOK)


async def charge_moved(runtime: Runtime, movement: Movement) -> Touched | Kinds | None:
    """The payment is fetched: what it shows funds and settles it, as an event of it does. What
    settled it before there were rows only gets its row.
    """
    charge = movement.source
    assert charge is not None
    charge_id, intent_id = text(charge, "id"), id_of(charge, "payment_intent")
    found = await find_payment(
        runtime.pool,
        movement.tenant_id,
        payment_id=our_id(charge, "payment"),
        payment_intent=intent_id,
        charge=charge_id,
    )
    if found is None:
        raise NotOurs(f"no payment of ours has {charge_id}")
    status = optional_text(charge, "status")
    if status == "failed":
        return FAILED_DEBIT
    if status == "pending":  # Stripe will say what became of it, within days
        raise Undecided("the charge is pending")
    if found.balance_transaction == movement.shown.id and await _has_row(runtime, movement):
        return None
    touched = Touched(
        found.escrow_id,
        found.payment_id,
        found.amount_minor,
        FreezeReason.UNEXPLAINED,
        movement.shown.id,
    )
    if movement.shown.type not in PAID or intent_id is None:
        return touched
    try:
        seen = await _proven(runtime, movement, found, intent_id)
        return None if await _settled(runtime, movement, found, seen) else touched
    except (NotProven, StripeRefused, Unreadable) as problem:  # a moment may heal it
        movement.undecided(f"{type(problem).__name__}: {problem}")
    except (Contradiction, StripeObjectTaken):
        if found.payment_intent != intent_id:
            raise  # an intent that names our payment, and is not its own, touches nothing of it
        return touched
    return touched


async def _has_row(runtime: Runtime, movement: Movement) -> bool:
    source = transaction_source(movement.shown.id)
    return await run(
        runtime,
        movement,
        lambda unit: add_row(runtime, unit, movement, source, JournalKind.CHARGE_SETTLED),
    )


async def _proven(
    runtime: Runtime, movement: Movement, found: FoundPayment, intent_id: str
) -> PaymentObservation:
    records = await find_escrow(runtime.pool, movement.tenant_id, found.payment_id, by=BY_PAYMENT)
    assert records is not None  # it was found by its payment
    payment = next(p for p in records.payments if p.payment_id == found.payment_id)
    return await fetch_proven(runtime, payment, intent_id)


async def _settled(
    runtime: Runtime, movement: Movement, found: FoundPayment, seen: PaymentObservation
) -> bool:
    """Whether this movement is what settled the payment; books what is new of that."""

    async def story(unit: UnitOfWork) -> bool:
        case = await open_case(runtime, unit, found.escrow_id)
        payment = case.payment(found.payment_id)
        observe_payment(case, payment, seen)
        if payment.stripe_balance_transaction is None:
            movement.undecided("the charge does not show it yet")
        if payment.stripe_balance_transaction != movement.shown.id:
            return False
        source = transaction_source(movement.shown.id)
        return await add_row(runtime, unit, movement, source, JournalKind.CHARGE_SETTLED)

    return await run(runtime, movement, story)
