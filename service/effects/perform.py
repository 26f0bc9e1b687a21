"""Sends one effect that is leased to us, and settles what became of it.

- Never sent: send it.
- Maybe sent before, or refused before: look for what it made; if there is nothing, or Stripe cannot
  say, send it under the same key.
- The key is too old to be remembered: look; if there is nothing, it never happened.
- Maybe sent before, and its account shows us nothing any more: a person decides about money.
- Answered from a stored failure: look; if there is nothing, it never happened.
- The lease is nearly over: leave it to the next lease.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from datetime import timedelta
from uuid import UUID

import structlog
from opentelemetry.trace import Span

from service.admission import aside
from service.domain.errors import StripeUnavailable, TenantNotConfigured
from service.domain.records.effect import Effect
from service.domain.states.effect import OPEN
from service.effects.settle import settle_effect
from service.effects.table import KINDS
from service.runtime import Runtime
from service.store.effects import end_attempt, find_effect, lease_effect
from service.stripe.gateway import CALL_TIMEOUT_S, StripeGateway
from service.stripe.outcomes import (
    NEVER_EXECUTED,
    NO_ACCESS,
    TENANT_RETRY_S,
    Lost,
    Outcome,
    Postponed,
    Rejected,
    Succeeded,
)
from service.tracing import continued

LEASE = timedelta(seconds=120)  # longer than a look-up, a call and a look-up can take
KEY_LIFETIME = timedelta(hours=23)  # Stripe forgets after 24
CLIENT_PATIENCE_S = 8.0
POLL_S = 0.05

log = structlog.get_logger()
_sending: set[asyncio.Task[Outcome | None]] = set()  # whose clients may have gone


async def finish_sending() -> None:
    """Waits for calls that go on after their client left; for the drain."""
    await asyncio.gather(*_sending, return_exceptions=True)


def effect_span(effect: Effect) -> AbstractContextManager[Span]:
    """The span of one attempt, in the trace of the call that decided on the effect."""
    attributes = {
        "escrow.tenant": effect.tenant_id,
        "escrow.effect.id": effect.public_id,
        "escrow.effect.kind": effect.kind.value,
        "escrow.effect.attempt": effect.attempts,
        "escrow.effect.generation": effect.generation,
    }
    return continued("perform_effect", effect.traceparent, attributes)


async def perform_effect(runtime: Runtime, effect: Effect) -> Outcome:
    """Sends an effect that this process has leased. If the process dies, a worker takes it up."""
    try:
        outcome = await _send_once(runtime, runtime.stripe[effect.tenant_id], effect)
    except TenantNotConfigured:
        outcome = Postponed("the tenant is not configured", TENANT_RETRY_S)
    outcome = await settle_effect(runtime, effect, outcome)
    name = type(outcome).__name__.lower()
    await end_attempt(runtime.pool, effect, runtime.clock(), name, _detail(outcome))
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


async def _send_once(runtime: Runtime, gateway: StripeGateway, effect: Effect) -> Outcome:
    assert effect.key_used_at is not None  # set by the lease
    kind = KINDS[effect.kind]
    if effect.key_used_at < effect.updated_at or effect.generation > 1:
        found = await gateway.find(effect, kind.find)
        if isinstance(found, Lost) and found.no_access:
            # Stripe would refuse it now, and may have done it before.
            return found if kind.pays_out else Rejected(NO_ACCESS, "The account is lost.")
        forgotten = runtime.clock() - effect.key_used_at > KEY_LIFETIME
        if isinstance(found, Succeeded) or (found is not None and forgotten):
            return found
        if forgotten:
            return Rejected(NEVER_EXECUTED, "Nothing was found after the key's lifetime.")
    assert effect.lease_expires_at is not None
    if runtime.clock() + timedelta(seconds=CALL_TIMEOUT_S) > effect.lease_expires_at:
        return Postponed("the lease is nearly over", 0.0)
    outcome = await gateway.send(effect, kind.send)
    if isinstance(outcome, Lost) and outcome.replayed:
        found = await gateway.find(effect, kind.find)
        return found or Rejected("stored_failure", f"Stripe stored {outcome.reason}.")
    return outcome


def _detail(outcome: Outcome) -> str:
    match outcome:
        case Succeeded(answer):
            return str(answer.get("id") or "")
        case Rejected(code):
            return code
        case Postponed(reason) | Lost(reason):
            return reason


async def _perform_here(runtime: Runtime, tenant_id: str, effect_id: UUID) -> Outcome | None:
    """Leases an effect and sends it; None when it is not to be had."""
    effect = await lease_effect(runtime.pool, tenant_id, effect_id, runtime.clock(), lease=LEASE)
    if effect is None:
        return None
    with effect_span(effect):
        return await perform_effect(runtime, effect)


async def finish_effect(runtime: Runtime, tenant_id: str, effect_id: UUID) -> Effect:
    """Waits until an effect has ended, sending it in this process unless another does.

    Raises:
        StripeUnavailable: it has not ended in time; a worker goes on with it.
    """
    deadline = asyncio.get_running_loop().time() + CLIENT_PATIENCE_S
    while asyncio.get_running_loop().time() < deadline:
        # If the client goes away, the lease still gets its call, and the call its answer.
        sending = asyncio.create_task(_perform_here(runtime, tenant_id, effect_id))
        _sending.add(sending)
        sending.add_done_callback(_sending.discard)
        with aside():
            outcome = await asyncio.shield(sending)
        effect = await find_effect(runtime.pool, tenant_id, effect_id)
        assert effect is not None
        if effect.state not in OPEN:
            return effect
        if isinstance(outcome, Postponed | Lost):
            break  # the worker looks after it; any other was asked again since, with more to say
        with aside():
            await asyncio.sleep(POLL_S)
    raise StripeUnavailable
