"""Sends a released part that waits on its way: its payee was not ready, its payment was not
confirmed by Stripe's API, or Stripe refused the transfer.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import open_case
from service.aggregates.freeze import explains, stops_transfers
from service.aggregates.payment import observe_payment
from service.domain import ids
from service.domain.call import Call, Party
from service.domain.errors import StripeRefused, Unavailable
from service.domain.records.payment import Payment
from service.domain.states.effect import EffectState
from service.domain.states.payee import PayeeState
from service.domain.states.payment import PaymentState
from service.domain.states.release import ReleaseState
from service.domain.unit import UnitOfWork
from service.effects import create_transfer
from service.operations.parties.refresh_account import refresh_account
from service.runtime import Runtime, rerun
from service.store.commit import StripeObjectTaken
from service.store.operations import Answered
from service.store.releases import WaitingRelease, postpone_release
from service.stripe.objects.payment_intent import PaymentObservation, parse_payment_intent
from service.stripe.objects.values import Unreadable
from service.tracing import link_to_cause, traceparent

log = structlog.get_logger()

# The shortest and the longest pause: what heals in a moment, and what only news or a person heals.
NOT_NOW = timedelta(seconds=5), timedelta(seconds=30)
NOT_SO = timedelta(minutes=1), timedelta(hours=6)


class _NotConfirmed(Exception):
    """The payment has to be fetched from Stripe before money leaves against it."""

    def __init__(self, payment: Payment) -> None:
        super().__init__(payment.public_id)
        self.payment = payment


class _NotSettled(Exception):
    """Stripe has not settled the charge yet: what a transfer takes is not known before that."""


class _Frozen(Exception):
    """The money that was released is threatened; lifting the freeze makes the part due at once."""


async def request_transfer(runtime: Runtime, waiting: WaitingRelease) -> bool:
    """Posting 7a. False when the part no longer waits, or cannot be sent yet."""
    if waiting.refusals:
        # Stripe may have refused because of something about the account that we do not know.
        await refresh_account(runtime, waiting.tenant_id, waiting.payee_id)
    try:
        return await _request_confirmed(runtime, waiting)
    except (_NotSettled, Unavailable) as problem:
        why, pauses = type(problem).__name__, NOT_NOW
    except (_Frozen, Contradiction, StripeObjectTaken, StripeRefused, Unreadable) as problem:
        why, pauses = f"{type(problem).__name__}: {problem}", NOT_SO
    log.warning("transfer waits", release=ids.show(ids.RELEASE, waiting.release_id), problem=why)
    await postpone_release(runtime.pool, waiting, runtime.clock(), *pauses)
    return False


async def _request_confirmed(runtime: Runtime, waiting: WaitingRelease) -> bool:
    try:
        return await _request(runtime, waiting)
    except _NotConfirmed as found:
        seen = await _confirm(runtime, found.payment)
        return await _request(runtime, waiting, seen)


async def _request(
    runtime: Runtime, waiting: WaitingRelease, seen: PaymentObservation | None = None
) -> bool:
    """With ``seen``, the payment as Stripe's API shows it now; what is new of it is booked too."""
    key = f"{ids.show(ids.RELEASE, waiting.release_id)}:{waiting.refusals}"
    call = Call(waiting.tenant_id, "worker", Party.TIMER, key, traceparent())

    async def story(unit: UnitOfWork) -> bool:
        case = await open_case(runtime, unit, waiting.escrow_id, effect_id=waiting.effect_id)
        release = case.release_of(waiting.release_id)
        ready = case.payee(release.payee_id).state is PayeeState.ACTIVE
        if release.state is not ReleaseState.WAITING or not ready:
            return False
        rejected = case.records.effect
        if rejected is not None and rejected.state is not EffectState.REJECTED:
            return False
        if stops_transfers(case.records, release.payment_id):
            raise _Frozen
        payment = case.payment(release.payment_id)
        if seen is not None:
            if not explains(case.records, payment, seen):
                raise _Frozen
            observe_payment(case, payment, seen)
        elif not payment.confirmed:
            raise _NotConfirmed(payment)
        if rejected is not None:
            link_to_cause(rejected.traceparent)
        create_transfer.plan(case, release, rejected)
        await runtime.commit(unit)
        return True

    try:
        return await rerun(runtime, call, "request_transfer", story)
    except Answered:
        return False


async def _confirm(runtime: Runtime, payment: Payment) -> PaymentObservation:
    """The payment as Stripe's API shows it: paid, by the charge that we know, and settled.

    Raises:
        Contradiction: it is not paid. _NotSettled.
        StripeRefused, StripeUnavailable, Unreadable.
    """
    assert payment.stripe_payment_intent is not None  # what is released was paid
    gateway = runtime.stripe[payment.tenant_id].for_workers
    intent = await gateway.fetch_payment_intent(payment.stripe_payment_intent)
    seen = parse_payment_intent(intent, None)
    if seen.state is not PaymentState.SUCCEEDED or seen.charge != payment.stripe_charge:
        raise Contradiction(f"Stripe shows the payment as {seen.state} by charge {seen.charge}")
    if seen.balance is None:
        raise _NotSettled
    return seen
