"""Sends a released part that waits (the payee was not ready, or Stripe refused) on its way."""

from __future__ import annotations

from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.call import Call, Party
from service.domain.states.effect import EffectState
from service.domain.states.payee import PayeeState
from service.domain.states.release import ReleaseState
from service.domain.unit import UnitOfWork
from service.effects import create_transfer
from service.operations.parties.refresh_account import refresh_account
from service.runtime import Runtime, rerun
from service.store.operations import Answered
from service.store.releases import WaitingRelease
from service.tracing import link_to_cause, traceparent


async def request_transfer(runtime: Runtime, waiting: WaitingRelease) -> bool:
    """Posting 7a. False when it no longer waits, or the payee cannot be paid yet."""
    shown = ids.show(ids.RELEASE, waiting.release_id)
    key = f"{shown}:{waiting.refusals}"
    call = Call(waiting.tenant_id, "worker", Party.TIMER, key, traceparent())

    if waiting.refusals:
        # Stripe may have refused because of something about the account that nobody told us.
        await refresh_account(runtime, waiting.tenant_id, waiting.payee_id)

    async def story(unit: UnitOfWork) -> bool:
        case = await open_case(runtime, unit, waiting.escrow_id, effect_id=waiting.effect_id)
        release = case.release_of(waiting.release_id)
        if release.state is not ReleaseState.WAITING or case.payee.state is not PayeeState.ACTIVE:
            return False
        rejected = case.records.effect
        if rejected is not None and rejected.state is not EffectState.REJECTED:
            return False
        if rejected is not None:
            link_to_cause(rejected.traceparent)
        create_transfer.plan(case, release, rejected)
        await runtime.commit(unit)
        return True

    try:
        return await rerun(runtime, call, "request_transfer", story)
    except Answered:
        return False
