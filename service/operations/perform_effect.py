"""Sends one effect that is leased to us, and settles what became of it.

- Never sent: send it.
- Maybe sent before, or refused before: look for what it made; if there is nothing, or Stripe cannot
  say, send it under the same key.
- The key is too old to be remembered: look; if there is nothing, it never happened.
- Answered from a stored failure: look; if there is nothing, it never happened.
- The lease is nearly over: leave it to whoever leases it next.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from datetime import timedelta
from uuid import UUID

import structlog
from opentelemetry.trace import Span

from service.domain import ids
from service.domain.call import Call
from service.domain.errors import StripeUnavailable
from service.domain.model import Effect
from service.operations.house import House
from service.operations.settle_effect import OPEN, settle_effect
from service.store.effects import end_attempt, lease_effect, read_effect
from service.stripe.gateway import CALL_TIMEOUT_S, StripeGateway
from service.stripe.outcomes import Lost, Outcome, Postponed, Rejected, Succeeded
from service.tracing import continued

LEASE = timedelta(seconds=120)  # longer than a look-up, a call and a look-up can take
KEY_LIFETIME = timedelta(hours=23)  # Stripe forgets after 24
CLIENT_PATIENCE_S = 8.0
POLL_S = 0.05

log = structlog.get_logger()
_sending: set[asyncio.Task[bool]] = set()  # whose clients may have gone


async def finish_sending() -> None:
    """Waits for the calls whose clients have gone; for the drain."""
    await asyncio.gather(*_sending, return_exceptions=True)


def effect_span(effect: Effect) -> AbstractContextManager[Span]:
    """The span of one attempt, in the trace of whoever decided on the effect."""
    attributes = {
        "escrow.tenant": effect.tenant_id,
        "escrow.effect.id": ids.show(ids.EFFECT, effect.effect_id),
        "escrow.effect.kind": effect.kind.value,
        "escrow.effect.attempt": effect.attempts,
        "escrow.effect.generation": effect.generation,
    }
    return continued("perform_effect", effect.traceparent, attributes)


async def perform_effect(house: House, effect: Effect) -> Outcome:
    """Sends an effect whose lease we hold; nothing is lost whenever this process dies."""
    gateway = house.stripe[effect.tenant_id]
    outcome = await _send_once(house, gateway, effect)
    await settle_effect(house, effect, outcome)
    name = type(outcome).__name__.lower()
    await end_attempt(house.pool, effect, house.clock(), name, _detail(outcome))
    log.info(
        "effect",
        kind=effect.kind,
        effect=effect.effect_id.hex,
        tenant=effect.tenant_id,
        attempt=effect.attempts,
        generation=effect.generation,
        outcome=name,
        detail=_detail(outcome),
    )
    return outcome


async def _send_once(house: House, gateway: StripeGateway, effect: Effect) -> Outcome:
    assert effect.key_used_at is not None  # set by the lease
    if effect.key_used_at < effect.updated_at or effect.generation > 1:
        found = await gateway.find(effect)
        forgotten = house.clock() - effect.key_used_at > KEY_LIFETIME
        if isinstance(found, Succeeded) or (found is not None and forgotten):
            return found
        if forgotten:
            return Rejected("never_executed", "Nothing was found after the key's lifetime.")
    assert effect.lease_expires_at is not None
    if house.clock() + timedelta(seconds=CALL_TIMEOUT_S) > effect.lease_expires_at:
        return Postponed("the lease is nearly over", 0.0)
    outcome = await gateway.send(effect)
    if isinstance(outcome, Lost) and outcome.replayed:
        found = await gateway.find(effect)
        return found or Rejected("stored_failure", f"Stripe stored {outcome.reason}.")
    return outcome


def effect_id_of(call: Call, subject_id: UUID, verb: str) -> UUID:
    """The id of the effect that this request plans; its replay finds the same effect."""
    return ids.derive(subject_id, f"{call.caller}:{call.key}:{verb}")


def _detail(outcome: Outcome) -> str:
    match outcome:
        case Succeeded(answer):
            return str(answer.get("id") or "")
        case Rejected(code):
            return code
        case Postponed(reason) | Lost(reason):
            return reason


async def _perform_here(house: House, tenant_id: str, effect_id: UUID) -> bool:
    """Leases an effect and sends it; False when it is not to be had."""
    effect = await lease_effect(house.pool, tenant_id, effect_id, house.clock(), lease=LEASE)
    if effect is None:
        return False
    with effect_span(effect):
        await perform_effect(house, effect)
    return True


async def finish_effect(house: House, tenant_id: str, effect_id: UUID) -> Effect:
    """Waits until an effect has ended, sending it in this process when nobody else does.

    Raises:
        StripeUnavailable: it has not ended in time; a worker goes on with it.
    """
    deadline = asyncio.get_running_loop().time() + CLIENT_PATIENCE_S
    while asyncio.get_running_loop().time() < deadline:
        # A client that goes away must leave no lease without a call, no call without its answer.
        sending = asyncio.create_task(_perform_here(house, tenant_id, effect_id))
        _sending.add(sending)
        sending.add_done_callback(_sending.discard)
        leased = await asyncio.shield(sending)
        effect = await read_effect(house.pool, tenant_id, effect_id)
        assert effect is not None
        if effect.state not in OPEN:
            return effect
        if leased:
            break  # it was postponed or lost: the worker looks after it
        await asyncio.sleep(POLL_S)
    raise StripeUnavailable
