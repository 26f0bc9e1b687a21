"""Holds what is above a limit of the tenant until a second person has approved it.

THE one place: every method that the contract puts under a limit comes by here with what it would
write, whoever asks, and before anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from escrow.v1 import approval_service_pb2 as pb
from service.domain.errors import (
    ApprovalExpired,
    ApprovalNeeded,
    ApprovalPlanChanged,
    RequestIdReused,
)
from service.domain.money import format_minor
from service.domain.policy import Policy
from service.domain.records.approval import Approval
from service.domain.states.approval import ApprovalEvent, ApprovalState
from service.domain.unit import UnitOfWork
from service.operations.held.limits import (
    Above,
    above_limit,
    count_alone,
    count_anew,
    decided_alone,
)
from service.operations.held.messages import approval_message
from service.operations.held.plan import Plan, plan_of
from service.operations.held.rejected import rejected
from service.runtime import Runtime
from service.store.approvals import find_approval_of
from service.store.commit import Overtaken


async def hold(runtime: Runtime, asked: bytes, unit: UnitOfWork) -> None:
    """Lets a unit pass that is below the limits, or that a second person has approved.

    Raises:
        ApprovalNeeded: it waits; what it would do is kept with its approval.
        ApprovalRejected, ApprovalExpired, RequestIdReused.
        ApprovalPlanChanged: it would not do what was approved.
    """
    if unit.call.approved:
        await _pass_approved(runtime, unit, plan_of(unit))
        return
    policy = (await runtime.policies.newest(unit.call.tenant_id)).policy
    if not policy.has_limit(unit.call.approvals):
        return
    known = await find_approval_of(runtime.pool, unit)
    if known is not None:
        _check_open(unit, known, asked)
    plan = plan_of(unit)
    above = above_limit(policy, unit, plan.amounts_minor)
    if above is None:
        count_alone(policy, unit, plan.amounts_minor)
        return
    if known is None:
        known = _new(unit, asked, plan.after(above.before_minor, above.currency), policy, above)
        await _keep(runtime, unit, known)
    elif not _stands(unit, known, plan):
        await _plan_anew(runtime, unit, known, plan)
    raise _needed(unit, known)


def _check_open(unit: UnitOfWork, known: Approval, asked: bytes) -> None:
    """What was rejected is not done by the same request, also where it is below a limit now.

    Raises:
        RequestIdReused, ApprovalRejected, ApprovalExpired.
    """
    if known.asked != asked:
        raise RequestIdReused
    if known.state is ApprovalState.REJECTED:
        raise rejected(known, unit.call.party)
    if known.is_expired(unit.now):
        raise ApprovalExpired(approval_id=known.public_id)


def _stands(unit: UnitOfWork, approval: Approval, plan: Plan) -> bool:
    """Whether the approval shows what the unit would do, and no less than was decided before."""
    shown_minor, currency = approval.decided_before_minor, approval.currency
    more = decided_alone(unit, approval.kind, currency) > shown_minor
    return not more and plan.after(shown_minor, currency).hash == approval.plan_hash


def _needed(unit: UnitOfWork, known: Approval) -> ApprovalNeeded:
    before_minor = known.decided_before_minor
    refusal = ApprovalNeeded(
        approval_id=known.public_id,
        plan_hash=known.plan_hash,
        amount_minor=known.amount_minor,
        currency=known.currency,
        expires_at=known.expires_at,
        request_id=unit.call.key,  # a command line makes its own
        **({"decided_before_minor": before_minor} if before_minor else {}),
    )
    if before_minor:
        before = format_minor(before_minor, known.currency)
        refusal.message = f"After {before} that were decided before, {refusal.message}"
    return refusal


async def needs_approval(
    runtime: Runtime, unit: UnitOfWork, amounts_minor: Mapping[str, int]
) -> bool:
    """Whether ``hold`` would let so much pass only when a second person has approved it."""
    policy = (await runtime.policies.newest(unit.call.tenant_id)).policy
    return above_limit(policy, unit, amounts_minor) is not None


def _new(unit: UnitOfWork, asked: bytes, plan: Plan, policy: Policy, above: Above) -> Approval:
    call = unit.call
    return Approval(
        tenant_id=call.tenant_id,
        approval_id=unit.new_id(),
        version=0,
        state=ApprovalState.WAITING,
        kind=above.kind,
        operation=unit.operation,
        caller=call.caller,
        party=call.party,
        key=call.key,
        asker={"people": sorted(call.people), "end_user": call.end_user},
        asked=asked,
        reason=call.reason,
        escrow_id=unit.escrow.escrow_id if unit.escrow else None,
        amount_minor=plan.amounts_minor[above.currency],
        currency=above.currency,
        plan={"lines": list(plan.lines), "decided_before": above.before_minor},
        plan_hash=plan.hash,
        expires_at=unit.now + timedelta(hours=policy.periods.approval_hours),
        created_at=unit.now,
        updated_at=unit.now,
    )


async def _keep(runtime: Runtime, unit: UnitOfWork, approval: Approval) -> None:
    """Writes the approval, and nothing of what is held."""
    call = replace(unit.call, key=f"{approval.public_id}:{approval.version}")
    asking = UnitOfWork(call, "plan_approval", b"", unit.now)
    asking.note = f"{approval.public_id}: {approval.operation}"
    if approval.version:
        asking.put(approval)
    else:
        asking.create(approval)
    await runtime.commits.commit(asking)


async def _plan_anew(runtime: Runtime, unit: UnitOfWork, approval: Approval, plan: Plan) -> None:
    approval.amount_minor = plan.amounts_minor.get(approval.currency, 0)
    before_minor = decided_alone(unit, approval.kind, approval.currency)
    anew = plan.after(before_minor, approval.currency)
    approval.plan = {"lines": list(anew.lines), "decided_before": before_minor}
    approval.plan_hash = anew.hash
    await _keep(runtime, unit, approval)


async def _pass_approved(runtime: Runtime, unit: UnitOfWork, plan: Plan) -> None:
    """The decision is written in the same commit as what it allows, or neither is."""
    approved = unit.call.approved
    approval = await find_approval_of(runtime.pool, unit)
    assert approved is not None
    assert approval is not None  # it names this very request
    if approval.state is not ApprovalState.WAITING:
        raise Overtaken("somebody else has decided")
    if not _stands(unit, approval, plan):
        await _plan_anew(runtime, unit, approval, plan)
    if approval.plan_hash != approved.plan_hash:
        raise ApprovalPlanChanged(approval_id=approval.public_id, plan_hash=approval.plan_hash)
    count_anew(unit, approval.kind)
    decided = approved.by
    assert isinstance(decided, UnitOfWork)
    decide(decided, approval, ApprovalEvent.APPROVE)
    answer = pb.ApproveResponse(approval=approval_message(approval, unit.now))
    decided.response = answer.SerializeToString(deterministic=True)
    said = f"approved by {decided.call.caller} ({approval.public_id})"
    unit.note = ", ".join(filter(None, (unit.note, said)))
    unit.beside = decided


def decide(unit: UnitOfWork, approval: Approval, event: ApprovalEvent) -> None:
    """Ends an approval by the unit of who decided."""
    unit.records.clear()  # of a run before, when others were first
    unit.transitions.clear()
    approval.decided_by, approval.decision_reason = unit.call.caller, unit.call.reason
    unit.advance(approval, event)
    unit.note = approval.public_id
