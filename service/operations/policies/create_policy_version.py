"""Adds a version to the tenant's policy: new escrows get it, and every other keeps its own."""

from __future__ import annotations

from escrow.v1.policy_service_pb2 import (
    CreatePolicyVersionRequest,
    CreatePolicyVersionResponse,
)
from service.domain.errors import FieldViolation, InvalidField, PolicyUnchanged, StaleEtag
from service.domain.policy_lint import lint
from service.domain.records.policy import StoredPolicy
from service.domain.unit import UnitOfWork
from service.operations.mutation import mutation
from service.operations.policies.messages import policy_of, version_message
from service.policy_documents import write_policy
from service.runtime import Runtime
from service.store.policies import load_newest_version


@mutation(CreatePolicyVersionResponse)
async def create_policy_version(
    runtime: Runtime, unit: UnitOfWork, request: CreatePolicyVersionRequest
) -> CreatePolicyVersionResponse:
    """Two who add one at the same time get a number each.

    Raises:
        InvalidField: what the linter finds.
        StaleEtag: there is a newer version than the one that the caller has seen.
        PolicyUnchanged: the newest says the same.
    """
    tenant_id = unit.call.tenant_id
    newest = await load_newest_version(runtime.pool, unit)
    policy = policy_of(request.policy)
    if violations := lint(policy):
        raise InvalidField(
            *(FieldViolation(f"policy.{v.field}", v.description) for v in violations)
        )
    if request.after_version not in (0, newest):
        raise StaleEtag(etag=newest)
    if policy == await runtime.policies.get(tenant_id, newest):
        raise PolicyUnchanged(policy_version=newest)
    stored = StoredPolicy(
        tenant_id=tenant_id,
        policy_version=newest + 1,
        created_at=unit.now,
        created_by=unit.call.caller,
        reason=request.reason,
        document=write_policy(policy),
    )
    unit.put(stored)
    unit.note = f"policy version {stored.policy_version}"
    answer = CreatePolicyVersionResponse(version=version_message(stored))
    return answer if request.validate_only else await runtime.save(unit, answer)
