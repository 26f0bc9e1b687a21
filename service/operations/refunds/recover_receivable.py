"""Asks a payee's account at Stripe for what was refunded to the payer."""

from __future__ import annotations

from datetime import timedelta

import structlog

from service.aggregates.escrow import open_case
from service.aggregates.receivable import write_off
from service.domain import ids
from service.domain.call import Call, Party
from service.domain.errors import Unavailable
from service.domain.states.effect import EffectState
from service.domain.states.receivable import ReceivableState
from service.domain.states.release import ReleaseState
from service.domain.unit import UnitOfWork
from service.effects import reverse_transfer
from service.runtime import Runtime, rerun
from service.store.operations import Answered
from service.store.receivables import DueReceivable, postpone_receivable
from service.tracing import traceparent

log = structlog.get_logger()
NOT_YET = timedelta(seconds=15)  # its transfer is under way


async def recover_receivable(runtime: Runtime, due: DueReceivable) -> bool:
    """False when nothing of it can be called back now."""
    tried = due.effect_id.hex if due.effect_id else ""
    key = f"{ids.show(ids.RECEIVABLE, due.receivable_id)}:{tried}:{due.refusals}"
    call = Call(due.tenant_id, "worker", Party.TIMER, key, traceparent())

    async def story(unit: UnitOfWork) -> bool:
        case = await open_case(runtime, unit, due.escrow_id, effect_id=due.effect_id)
        debts = case.records.receivables
        debt = next((d for d in debts if d.receivable_id == due.receivable_id), None)
        if debt is None or debt.state is not ReceivableState.OWED or debt.recover_at is None:
            return False
        release = case.release_of(debt.release_id)
        if debt.is_worthless:
            write_off(case, debt)
        elif not debt.next_reversal[1]:  # the rest is owed, and netted
            debt.recover_at = None
            case.touch()
            unit.put(debt)
        elif release.state is not ReleaseState.TRANSFERRED or release.stripe_transfer is None:
            return False
        else:
            rejected = case.records.effect
            again = rejected is not None and rejected.state is EffectState.REJECTED
            reverse_transfer.plan(case, debt, release.stripe_transfer, rejected if again else None)
        await runtime.commit(unit)
        return True

    try:
        if await rerun(runtime, call, "recover_receivable", story):
            return True
    except Answered:
        pass
    except Unavailable as problem:
        log.warning("receivable waits", receivable=due.receivable_id.hex, problem=str(problem))
    await postpone_receivable(runtime.pool, due, runtime.clock(), NOT_YET)
    return False
