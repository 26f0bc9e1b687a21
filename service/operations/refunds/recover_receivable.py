"""Asks a payee's account at Stripe for what was refunded to the payer."""

from __future__ import annotations

from datetime import timedelta

import structlog

from service.aggregates.escrow import EscrowCase, open_case
from service.aggregates.receivable import has_come_back, write_off
from service.domain import ids
from service.domain.call import Call, Party
from service.domain.errors import StripeRefused, Unavailable
from service.domain.records.receivable import Receivable
from service.domain.states.effect import EffectState
from service.domain.states.receivable import ReceivableState
from service.domain.states.release import ReleaseState
from service.domain.unit import UnitOfWork
from service.effects import reverse_transfer
from service.runtime import Runtime, rerun
from service.store.operations import Answered
from service.store.receivables import DueReceivable, postpone_receivable
from service.stripe.objects.values import Unreadable, minor
from service.tracing import traceparent

log = structlog.get_logger()
NOT_YET = timedelta(seconds=15)  # its transfer is under way


async def recover_receivable(runtime: Runtime, due: DueReceivable) -> bool:
    """False when nothing of it can be called back now."""
    key = f"{ids.show(ids.RECEIVABLE, due.receivable_id)}:{due.version}"
    call = Call(due.tenant_id, "worker", Party.TIMER, key, traceparent())

    async def story(unit: UnitOfWork) -> bool:
        case = await open_case(runtime, unit, due.escrow_id, effect_id=due.effect_id)
        debts = case.records.receivables
        debt = next((d for d in debts if d.receivable_id == due.receivable_id), None)
        if debt is None or debt.state is not ReceivableState.OWED or debt.recover_at is None:
            return False
        if not _recover(case, debt, left_minor):
            return False
        await runtime.commit(unit)
        return True

    try:
        left_minor = await _left_minor(runtime, due)
        if await rerun(runtime, call, "recover_receivable", story):
            return True
    except Answered:
        pass
    except Unavailable as problem:
        log.warning("receivable waits", receivable=due.receivable_id.hex, problem=str(problem))
    await postpone_receivable(runtime.pool, due, runtime.clock(), NOT_YET)
    return False


async def _left_minor(runtime: Runtime, due: DueReceivable) -> int | None:
    """What of its transfer has not been reversed, by whomever, in the transfer's currency. None
    when Stripe does not say.
    """
    if due.stripe_transfer is None:
        return None
    gateway = runtime.stripe[due.tenant_id].for_workers
    try:
        transfer = await gateway.fetch_transfer(due.stripe_transfer)
        return minor(transfer, "amount") - minor(transfer, "amount_reversed")
    except (StripeRefused, Unreadable) as problem:
        log.warning("transfer unknown", transfer=due.stripe_transfer, problem=str(problem))
        return None


def _recover(case: EscrowCase, debt: Receivable, left_minor: int | None) -> bool:
    """Plans the reversal of what its transfer can still give. False when that is under way."""
    assert debt.release_id is not None  # a fee is never called back
    release = case.release_of(debt.release_id)
    if debt.is_worthless:
        write_off(case, debt)
    elif not debt.next_reversal[1]:  # the rest is owed, and netted
        debt.recover_at = None
        case.touch()
        case.unit.put(debt)
    elif release.state is not ReleaseState.TRANSFERRED or release.stripe_transfer is None:
        return False
    elif left_minor is not None and left_minor <= 0:
        has_come_back(case, debt)
    else:
        rejected = case.records.effect
        again = rejected is not None and rejected.state is EffectState.REJECTED
        transfer = release.stripe_transfer
        reverse_transfer.plan(case, debt, transfer, left_minor, rejected if again else None)
    return True
