"""The answer to a call of Stripe, as an operation like any other: it ends the effect, or puts it
back in the queue, and books what it did in the same commit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog

from service.domain import ids
from service.domain.call import Call, Party
from service.domain.errors import EscrowMissing
from service.domain.lifecycle import (
    EFFECT,
    PAYMENT,
    EffectEvent,
    EffectState,
    PayeeState,
    PaymentEvent,
    PaymentState,
    PayoutState,
    follow,
    payee_after,
    payout_moves,
)
from service.domain.model import AccountApi, Effect, EffectKind
from service.domain.unit import UnitOfWork
from service.operations.escrow_case import EscrowCase, open_case
from service.operations.house import House, rerun
from service.operations.observe_account import observe_account, read_account
from service.operations.observe_payment import Contradiction, observe_payment
from service.operations.observe_payout import observe_payout
from service.operations.renew_effect import renew
from service.store.parties import PayeeRecords, load_parties, load_payee
from service.stripe import reading, requests
from service.stripe.outcomes import Lost, Outcome, Postponed, Rejected, Succeeded
from service.stripe.reading import Unreadable
from service.tracing import traceparent

SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=10)
FIRST_RENEWAL, LONGEST_RENEWAL = timedelta(minutes=1), timedelta(hours=6)
SENT = frozenset({EffectState.SENDING, EffectState.UNKNOWN})
OPEN = SENT | {EffectState.PLANNED}

log = structlog.get_logger()


async def settle_effect(house: House, effect: Effect, outcome: Outcome) -> None:
    """Ends the attempt that leased ``effect`` with what became of it.

    Does nothing when the effect has ended before, and when the lease has passed to another attempt:
    only a success counts then, because what Stripe has made is made.
    """
    key = f"{ids.show(ids.EFFECT, effect.effect_id)}:{effect.attempts}"
    call = Call(effect.tenant_id, "stripe", Party.STRIPE, key, traceparent())
    load = _LOADERS[effect.kind]

    async def story(unit: UnitOfWork, outcome: Outcome) -> None:
        subject, current = await load(house, unit, effect)
        ours = (current.generation, current.attempts) == (effect.generation, effect.attempts)
        if (ours or isinstance(outcome, Succeeded)) and settle(unit, subject, current, outcome):
            await house.commit(unit)

    try:
        await rerun(house, call, "settle_effect", lambda unit: story(unit, outcome))
    except (Contradiction, Unreadable) as problem:
        log.warning("answer contradicts", effect=effect.effect_id.hex, problem=str(problem))
        strange = Lost(f"{type(problem).__name__}: {problem}")
        await rerun(house, call, "settle_effect", lambda unit: story(unit, strange))


def settle(unit: UnitOfWork, subject: Any, effect: Effect, outcome: Outcome) -> bool:  # noqa: ANN401  of the kind
    """Decides what an outcome changes; False when the effect is not open.

    Raises:
        Contradiction, Unreadable: the answer does not fit what was asked.
    """
    if effect.state not in SENT:
        return False
    unit.put(effect)
    effect.lease_expires_at = None
    match outcome:
        case Succeeded(answer):
            _move(unit, effect, EffectEvent.SUCCEED)
            effect.stripe_object = str(answer.get("id") or "")
            _SUCCEED[effect.kind](unit, subject, effect, answer)
        case Rejected(code, message):
            _move(unit, effect, EffectEvent.REJECT)
            effect.error = {"code": code, "message": message}
            _REJECT[effect.kind](unit, subject, effect, outcome)
        case Postponed(reason, retry_s):
            _move(unit, effect, EffectEvent.POSTPONE)
            effect.error = {"code": reason}
            effect.due_at = unit.now + timedelta(seconds=retry_s)
        case Lost(reason):
            _move(unit, effect, EffectEvent.LOSE)
            effect.error = {"code": reason}
            # The longer nobody knows, the longer the pause: it doubles, from a second.
            age = unit.now - (effect.key_used_at or unit.now)
            effect.due_at = unit.now + min(max(age, SHORTEST_PAUSE), LONGEST_PAUSE)
    return True


def _move(unit: UnitOfWork, effect: Effect, event: EffectEvent) -> None:
    before = effect.state
    effect.state = follow(EFFECT, before, event, unit.call.party)
    unit.moved(ids.show(ids.EFFECT, effect.effect_id), before, effect.state)


# What each kind is settled against, loaded in one round trip.


async def _load_escrow(house: House, unit: UnitOfWork, effect: Effect) -> tuple[EscrowCase, Effect]:
    assert effect.escrow_id is not None
    case = await open_case(house, unit, effect.escrow_id, effect_id=effect.effect_id)
    if case.records.effect is None:
        raise EscrowMissing
    return case, case.records.effect


async def _load_payee(
    house: House, unit: UnitOfWork, effect: Effect
) -> tuple[PayeeRecords, Effect]:
    assert effect.payee_id is not None
    found = await load_payee(
        house.pool,
        unit,
        effect.payee_id,
        payout_id=effect.subject_id,
        effect_id=effect.effect_id,
    )
    assert found is not None
    assert found.effect is not None
    return found, found.effect


async def _load_payer(house: House, unit: UnitOfWork, effect: Effect) -> tuple[Any, Effect]:
    found = await load_parties(
        house.pool, unit, payer_id=effect.subject_id, effect_id=effect.effect_id
    )
    assert found.payer is not None
    assert found.effect is not None
    return found.payer, found.effect


_LOADERS: Mapping[
    EffectKind, Callable[[House, UnitOfWork, Effect], Awaitable[tuple[Any, Effect]]]
] = {
    EffectKind.CREATE_CUSTOMER: _load_payer,
    EffectKind.CREATE_ACCOUNT: _load_payee,
    EffectKind.SET_MANUAL_PAYOUTS: _load_payee,
    EffectKind.CREATE_PAYMENT_INTENT: _load_escrow,
    EffectKind.CREATE_CHECKOUT_SESSION: _load_escrow,
    EffectKind.CAPTURE_PAYMENT: _load_escrow,
    EffectKind.CANCEL_PAYMENT: _load_escrow,
    EffectKind.CREATE_TRANSFER: _load_escrow,
    EffectKind.CREATE_PAYOUT: _load_payee,
}

# What a success means, per kind.


def _customer_created(unit: UnitOfWork, payer: Any, _: Effect, answer: dict[str, Any]) -> None:  # noqa: ANN401
    payer.stripe_customer = answer["id"]
    unit.put(payer)


def _account_created(
    unit: UnitOfWork, found: PayeeRecords, _: Effect, answer: dict[str, Any]
) -> None:
    payee = found.payee
    observe_account(unit, payee, read_account(payee, answer))
    if payee.account_api is AccountApi.V2:
        unit.plan(
            EffectKind.SET_MANUAL_PAYOUTS,
            unit.new_id(),
            subject_id=payee.payee_id,
            payee_id=payee.payee_id,
            stripe_account=payee.stripe_account,
            request=requests.MANUAL_PAYOUTS,
        )


def _intent_told(
    unit: UnitOfWork, case: EscrowCase, effect: Effect, answer: dict[str, Any]
) -> None:
    del unit
    told_at = None
    if effect.kind is EffectKind.CREATE_PAYMENT_INTENT:  # it is as old as the intent itself
        told_at = reading.time_of(answer.get("created"))
    payment = case.payment(effect.subject_id)
    observe_payment(case, payment, reading.read_payment_intent(answer, told_at))
    case.touch()


def _session_told(
    unit: UnitOfWork, case: EscrowCase, effect: Effect, answer: dict[str, Any]
) -> None:
    del unit
    payment = case.payment(effect.subject_id)
    told_at = reading.time_of(answer.get("created"))
    observe_payment(case, payment, reading.read_checkout_session(answer, told_at))
    case.touch()


def _payment_canceled(
    unit: UnitOfWork, case: EscrowCase, effect: Effect, answer: dict[str, Any]
) -> None:
    told = _session_told if answer.get("object") == "checkout.session" else _intent_told
    told(unit, case, effect, answer)


def _transfer_created(
    unit: UnitOfWork, case: EscrowCase, effect: Effect, answer: dict[str, Any]
) -> None:
    del unit
    asked = [effect.request[name] for name in ("amount", "currency", "destination")]
    if asked != [answer.get(name) for name in ("amount", "currency", "destination")]:
        raise Contradiction(f"transfer {answer.get('id')} is not the one that was asked for")
    case.transfer_succeeded(case.release_of(effect.subject_id), effect, answer["id"])


def _payout_created(
    unit: UnitOfWork, found: PayeeRecords, effect: Effect, answer: dict[str, Any]
) -> None:
    payout = next(p for p in found.payouts if p.payout_id == effect.subject_id)
    observe_payout(unit, found.payee, payout, reading.read_payout(answer))


def _nothing(*_: object) -> None:
    """The effect's own row says it all."""


_SUCCEED: Mapping[EffectKind, Callable[[UnitOfWork, Any, Effect, dict[str, Any]], None]] = {
    EffectKind.CREATE_CUSTOMER: _customer_created,
    EffectKind.CREATE_ACCOUNT: _account_created,
    EffectKind.SET_MANUAL_PAYOUTS: _nothing,
    EffectKind.CREATE_PAYMENT_INTENT: _intent_told,
    EffectKind.CREATE_CHECKOUT_SESSION: _session_told,
    EffectKind.CAPTURE_PAYMENT: _intent_told,
    EffectKind.CANCEL_PAYMENT: _payment_canceled,
    EffectKind.CREATE_TRANSFER: _transfer_created,
    EffectKind.CREATE_PAYOUT: _payout_created,
}

# What a rejection means, per kind: whatever was in flight goes back to where it was.


def _payment_rejected(
    unit: UnitOfWork, case: EscrowCase, effect: Effect, refusal: Rejected
) -> None:
    payment = case.payment(effect.subject_id)
    before = payment.state
    if before is not PaymentState.CREATING:
        return  # a capture or cancel was refused, or an event has shown that it exists
    payment.state = follow(PAYMENT, before, PaymentEvent.REJECT, unit.call.party)
    payment.failure_code = refusal.code
    payment.failure_decline_code = refusal.decline_code or None
    payment.failure_message = refusal.message
    case.touch()
    unit.put(payment)
    unit.moved(ids.show(ids.PAYMENT, payment.payment_id), before, payment.state)


def _transfer_rejected(
    unit: UnitOfWork, case: EscrowCase, effect: Effect, refusal: Rejected
) -> None:
    del unit
    case.transfer_rejected(case.release_of(effect.subject_id), effect, refusal.code)


def _account_rejected(
    unit: UnitOfWork, found: PayeeRecords, effect: Effect, refusal: Rejected
) -> None:
    del effect
    payee, before = found.payee, found.payee.state
    payee.state = payee_after(before, PayeeState.REJECTED)
    payee.requirements_due = [refusal.message or refusal.code]
    unit.put(payee)
    unit.moved(ids.show(ids.PAYEE, payee.payee_id), before, payee.state)


def _schedule_rejected(
    unit: UnitOfWork, found: PayeeRecords, effect: Effect, refusal: Rejected
) -> None:
    """Without it Stripe would pay out by itself, past our books: it is asked for until it is so."""
    del found, refusal
    renew(unit, effect)
    pause = FIRST_RENEWAL * 2 ** min(effect.generation, 10)
    effect.due_at = unit.now + min(pause, LONGEST_RENEWAL)


def _payout_rejected(
    unit: UnitOfWork, found: PayeeRecords, effect: Effect, refusal: Rejected
) -> None:
    payout = next(p for p in found.payouts if p.payout_id == effect.subject_id)
    before = payout.state
    if not payout_moves(before, PayoutState.REJECTED):
        return
    payout.state = PayoutState.REJECTED
    payout.failure_code, payout.failure_message = refusal.code, refusal.message
    unit.put(found.payee)
    unit.put(payout)
    unit.moved(ids.show(ids.PAYOUT, payout.payout_id), before, payout.state)


_REJECT: Mapping[EffectKind, Callable[[UnitOfWork, Any, Effect, Rejected], None]] = {
    EffectKind.CREATE_CUSTOMER: _nothing,
    EffectKind.CREATE_ACCOUNT: _account_rejected,
    EffectKind.SET_MANUAL_PAYOUTS: _schedule_rejected,
    EffectKind.CREATE_PAYMENT_INTENT: _payment_rejected,
    EffectKind.CREATE_CHECKOUT_SESSION: _payment_rejected,
    EffectKind.CAPTURE_PAYMENT: _nothing,
    EffectKind.CANCEL_PAYMENT: _nothing,
    EffectKind.CREATE_TRANSFER: _transfer_rejected,
    EffectKind.CREATE_PAYOUT: _payout_rejected,
}
