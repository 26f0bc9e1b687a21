"""Applies one stored event: what it hints at becomes what the books know.

An event is a hint about an object. What its payload says completely is taken from it; what it
cannot say (a fee, an account) is read from Stripe first. Either way it is told to the same
``observe_...`` as every other source, so duplicates, twins and any order end in the same books.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain.call import Call, Party
from service.domain.errors import Missing
from service.domain.lifecycle import EffectState, PayeeState
from service.domain.model import EffectKind
from service.domain.unit import EventEnd, UnitOfWork
from service.operations.escrow_case import EscrowCase, open_case
from service.operations.house import House, rerun
from service.operations.observe_account import observe_account, read_account
from service.operations.observe_payment import Contradiction, observe_payment, payment_named
from service.operations.observe_payout import observe_payout
from service.operations.settle_effect import settle
from service.store.commit import Overtaken
from service.store.escrows import BY_PAYMENT, BY_PAYMENT_INTENT
from service.store.operations import Answered
from service.store.parties import find_payee_of_account, load_payee, read_payee
from service.store.stripe_events import StoredEvent
from service.stripe import reading
from service.stripe.outcomes import Succeeded
from service.stripe.reading import PaymentObservation, Unreadable
from service.tracing import traceparent

Object = Mapping[str, Any]


class Unknown(Exception):
    """The event is about an object that we do not know (yet): it is parked, then shown."""


@dataclass(frozen=True, slots=True)
class News:
    """An event with the object that it carries."""

    event: StoredEvent
    object: Object
    told_at: datetime


async def apply_stripe_event(house: House, event: StoredEvent) -> None:
    """Books what an event tells and ends it, in one commit.

    Raises:
        Unknown, Unreadable, Contradiction: see there; the event is set aside, not lost.
    """
    apply = (OF_PAYEES if event.account else OF_PLATFORM).get(event.type)
    if apply is None:
        await _end(house, event, "IGNORED", "not a type that is acted on")
        return
    await apply(house, News(event, _carried(json.loads(event.payload)), event.occurred_at))


def _carried(body: Object) -> Object:
    """The object of a snapshot event, or what a thin event names."""
    data = body.get("data")
    carried = data.get("object") if isinstance(data, dict) else body.get("related_object")
    if not isinstance(carried, dict):
        raise Unreadable("it carries no object")
    return carried


async def _change(
    house: House, event: StoredEvent, story: Callable[[UnitOfWork], Awaitable[None]]
) -> None:
    """Runs an event's story and ends the event in the same commit; a second time does nothing."""
    call = Call(event.tenant_id, "stripe", Party.STRIPE, event.event_id, traceparent())

    async def whole(unit: UnitOfWork) -> None:
        unit.event_end = EventEnd(event.event_id, "PROCESSED")
        unit.note = event.type
        await story(unit)
        await house.commit(unit)

    try:
        await rerun(house, call, "apply_stripe_event", whole)
    except Answered:
        return


async def _end(house: House, event: StoredEvent, state: str, reason: str) -> None:
    call = Call(event.tenant_id, "stripe", Party.STRIPE, event.event_id, traceparent())
    unit = UnitOfWork(call, "ignore_stripe_event", b"", house.clock())
    unit.event_end = EventEnd(event.event_id, state, reason)
    unit.note = event.type
    try:
        await house.commit(unit)
    except Overtaken:
        return  # another worker, to whom a lease that ran out went, has ended it already


# Payments


async def _payment_intent(house: House, news: News) -> None:
    told = reading.read_payment_intent(news.object, news.told_at)
    await _tell_payment(house, news, told)


async def _charge(house: House, news: News) -> None:
    """A charge does not carry its fee: the whole payment is read."""
    intent_id = news.object.get("payment_intent")
    if not isinstance(intent_id, str):
        raise Unknown("the charge belongs to no payment intent")
    intent = await house.stripe[news.event.tenant_id].read_payment_intent(intent_id)
    await _tell_payment(house, news, reading.read_payment_intent(intent, None))


async def _checkout_session(house: House, news: News) -> None:
    told = reading.read_checkout_session(news.object, news.told_at)
    if told.payment_intent:
        gateway = house.stripe[news.event.tenant_id]
        intent = await gateway.read_payment_intent(told.payment_intent)
        told = reading.read_payment_intent(intent, None)
    await _tell_payment(house, news, told)


async def _tell_payment(house: House, news: News, told: PaymentObservation) -> None:
    payment_id = reading.our_id(news.object, "payment")

    async def story(unit: UnitOfWork) -> None:
        case = await _open_payment(house, unit, payment_id, told)
        try:
            payment = case.payment(payment_id) if payment_id else payment_named(case, told)
        except Missing as error:
            raise Unknown("no payment of ours") from error
        observe_payment(case, payment, told)

    await _change(house, news.event, story)


async def _open_payment(
    house: House, unit: UnitOfWork, payment_id: UUID | None, told: PaymentObservation
) -> EscrowCase:
    missing = Unknown("no payment of ours")
    if payment_id:
        return await open_case(house, unit, payment_id, by=BY_PAYMENT, missing=lambda: missing)
    if not told.payment_intent:
        raise missing
    return await open_case(
        house, unit, told.payment_intent, by=BY_PAYMENT_INTENT, missing=lambda: missing
    )


# Transfers


async def _transfer(house: House, news: News) -> None:
    """The answer to our call, told by an event: it may come first, or instead."""
    effect_id, escrow_id = (reading.our_id(news.object, name) for name in ("effect", "escrow"))
    if effect_id is None or escrow_id is None:
        raise Unknown("the transfer is not one of ours")

    async def story(unit: UnitOfWork) -> None:
        missing = Unknown("no escrow of ours")
        case = await open_case(house, unit, escrow_id, effect_id=effect_id, missing=lambda: missing)
        effect = case.records.effect
        if effect is None or effect.kind is not EffectKind.CREATE_TRANSFER:
            raise Unknown("no transfer of ours")
        if settle(unit, case, effect, Succeeded(dict(news.object))):
            return
        if effect.state is not EffectState.SUCCEEDED:
            # We gave it up, and it exists: its renewal will find it, and this event then fits.
            raise Unknown(f"the transfer's effect is {effect.state}")
        if effect.stripe_object != news.object.get("id"):
            raise Contradiction(f"the effect made {effect.stripe_object}: paid twice")

    await _change(house, news.event, story)


# Payouts and accounts of payees


async def _payout(house: House, news: News) -> None:
    payout_id, payee_id = (reading.our_id(news.object, name) for name in ("payout", "payee"))
    if payout_id is None or payee_id is None:
        raise Unknown("the payout is not one of ours")
    told = reading.read_payout(news.object)

    async def story(unit: UnitOfWork) -> None:
        # The effect that makes a payout has the payout's own id.
        found = await load_payee(
            house.pool, unit, payee_id, payout_id=payout_id, effect_id=payout_id
        )
        payout = (
            next((p for p in found.payouts if p.payout_id == payout_id), None) if found else None
        )
        if found is None or payout is None:
            raise Unknown("no payout of ours")
        if news.event.account != found.payee.stripe_account:
            raise Contradiction(f"the payout is of account {news.event.account}")
        observe_payout(unit, found.payee, payout, told)

    await _change(house, news.event, story)


async def _account(house: House, news: News) -> None:
    """An account is read afresh: its events are hints, thin, late or out of order."""
    account_id = news.event.account or str(news.object.get("id") or "")
    tenant_id = news.event.tenant_id
    payee_id = reading.our_id(news.object, "payee") or await find_payee_of_account(
        house.pool, tenant_id, account_id
    )
    payee = await read_payee(house.pool, tenant_id, payee_id) if payee_id else None
    if payee is None or payee.stripe_account is None:
        raise Unknown(f"no payee of ours has account {account_id or 'without id'}")
    gateway = house.stripe[tenant_id]
    account = await gateway.read_account(payee.account_api, payee.stripe_account)

    async def story(unit: UnitOfWork) -> None:
        found = await load_payee(house.pool, unit, payee.payee_id)
        if found is None or found.payee.version != payee.version:
            # Somebody may have read the account after us and written before us.
            raise Unknown("the payee changed while its account was read")
        observe_account(unit, found.payee, read_account(found.payee, account))

    await _change(house, news.event, story)


async def _deauthorized(house: House, news: News) -> None:
    """The payee took the platform's access away: the account cannot be read any more."""
    account_id = news.event.account or ""
    payee_id = await find_payee_of_account(house.pool, news.event.tenant_id, account_id)
    if payee_id is None:
        raise Unknown(f"no payee of ours has account {account_id}")
    told = reading.AccountObservation(account_id, PayeeState.DEAUTHORIZED, [])

    async def story(unit: UnitOfWork) -> None:
        found = await load_payee(house.pool, unit, payee_id)
        assert found is not None  # a payee is never deleted
        observe_account(unit, found.payee, told)

    await _change(house, news.event, story)


Handler = Callable[[House, News], Awaitable[None]]

# THE allow-lists. Everything else is stored and acknowledged, and not acted on.
OF_PLATFORM: Mapping[str, Handler] = {
    "payment_intent.created": _payment_intent,
    "payment_intent.requires_action": _payment_intent,
    "payment_intent.processing": _payment_intent,
    "payment_intent.amount_capturable_updated": _payment_intent,
    "payment_intent.payment_failed": _payment_intent,
    "payment_intent.succeeded": _payment_intent,
    "payment_intent.canceled": _payment_intent,
    "charge.captured": _charge,  # a capture by hand is settled at once: no charge.updated follows
    "charge.updated": _charge,
    "checkout.session.completed": _checkout_session,
    "checkout.session.async_payment_succeeded": _checkout_session,
    "checkout.session.async_payment_failed": _checkout_session,
    "checkout.session.expired": _checkout_session,
    "transfer.created": _transfer,
    "transfer.updated": _transfer,
    "v2.core.account.updated": _account,
    "v2.core.account[requirements].updated": _account,
    "v2.core.account[configuration.recipient].updated": _account,
    "v2.core.account[configuration.recipient].capability_status_updated": _account,
}
# Events of connected accounts; what they charge or hold themselves is not ours.
OF_PAYEES: Mapping[str, Handler] = {
    "account.updated": _account,
    "account.application.deauthorized": _deauthorized,
    "capability.updated": _account,
    "payout.created": _payout,
    "payout.updated": _payout,
    "payout.paid": _payout,
    "payout.failed": _payout,
    "payout.canceled": _payout,
}
