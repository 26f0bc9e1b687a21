"""Sends a released part that waits (the payee was not ready, or Stripe refused) on its way."""

from __future__ import annotations

from service.domain import ids
from service.domain.call import Call, Party
from service.domain.lifecycle import EffectState, PayeeState, ReleaseState
from service.domain.unit import UnitOfWork
from service.operations.escrow_case import open_case
from service.operations.house import House, rerun
from service.operations.refresh_account import refresh_account
from service.store.operations import Answered
from service.store.releases import WaitingRelease
from service.tracing import link_to_cause, traceparent


async def request_transfer(house: House, waiting: WaitingRelease) -> bool:
    """Posting 7a. False when it no longer waits, or the payee cannot be paid yet."""
    shown = ids.show(ids.RELEASE, waiting.release_id)
    key = f"{shown}:{waiting.refusals}"
    call = Call(waiting.tenant_id, "worker", Party.TIMER, key, traceparent())

    if waiting.refusals:
        # Stripe may have refused because of something about the account that nobody told us.
        await refresh_account(house, waiting.tenant_id, waiting.payee_id)

    async def story(unit: UnitOfWork) -> bool:
        case = await open_case(house, unit, waiting.escrow_id, effect_id=waiting.effect_id)
        release = case.release_of(waiting.release_id)
        if release.state is not ReleaseState.WAITING or case.payee.state is not PayeeState.ACTIVE:
            return False
        rejected = case.records.effect
        if rejected is not None and rejected.state is not EffectState.REJECTED:
            return False
        if rejected is not None:
            link_to_cause(rejected.traceparent)
        case.request_transfer(release, rejected)
        await house.commit(unit)
        return True

    try:
        return await rerun(house, call, "request_transfer", story)
    except Answered:
        return False
