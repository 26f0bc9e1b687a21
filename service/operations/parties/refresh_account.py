"""Reads a payee's account from Stripe again: its events may be late, or never come."""

from __future__ import annotations

from uuid import UUID, uuid4

import structlog

from service.aggregates.contradiction import Contradiction
from service.aggregates.payee import look_at_account, observe_account
from service.domain.call import Call, Party
from service.domain.errors import StripeRefused, Unavailable
from service.domain.unit import UnitOfWork
from service.runtime import Runtime, rerun
from service.store.parties import find_payee, load_payee
from service.stripe.objects.account import parse_account
from service.stripe.objects.values import Unreadable
from service.tracing import traceparent

log = structlog.get_logger()


async def refresh_account(
    runtime: Runtime, tenant_id: str, payee_id: UUID, *, expects_loss: bool = False
) -> None:
    """Books what is new of the account; what cannot be read now is left as it is known.

    That Stripe refuses us access counts only where somebody ``expects_loss``: with another
    platform's key it refuses every account, and a payee who is DEAUTHORIZED stays so.
    """
    payee = await find_payee(runtime.pool, tenant_id, payee_id)
    if payee is None or payee.stripe_account is None:
        return
    gateway = runtime.stripe[tenant_id]
    try:
        if expects_loss:
            seen = await look_at_account(gateway, payee)
        else:
            account = await gateway.fetch_account(payee.account_api, payee.stripe_account)
            seen = parse_account(payee.account_api, account)
    except (Unavailable, StripeRefused, Unreadable) as problem:
        log.warning("account not read", payee=payee_id.hex, problem=str(problem))
        return
    call = Call(tenant_id, "stripe", Party.STRIPE, f"read:{uuid4().hex}", traceparent())

    async def story(unit: UnitOfWork) -> None:
        found = await load_payee(runtime.pool, unit, payee_id)
        # Whoever wrote since may have read the account after us.
        unchanged = found is not None and found.payee.version == payee.version
        if found and unchanged and observe_account(unit, found.payee, seen):
            await runtime.commit(unit)

    try:
        await rerun(runtime, call, "refresh_account", story)
    except Contradiction as problem:
        log.warning("account contradicts", payee=payee_id.hex, problem=str(problem))
