"""What is sure to be answered about policies. What they change is the payouts in one currency."""

from dataclasses import replace
from itertools import count

from escrow.client import new_request_id
from escrow.v1 import policy_service_pb2 as policy_pb
from service.domain.policy import ApprovalLimits, Limits, Policy
from service.domain.policy_default import DEFAULT_POLICY
from service.operations.policies.messages import policy_message
from tests.service.operations.asked import Asked, Requests
from tests.service.operations.marketplace import Marketplace

_most = count(20_000_01)


def harmless() -> Policy:
    """Another one each time, by which nothing else is charged than by the default."""
    rules = replace(DEFAULT_POLICY.rules("ZMW"), payout_limits=Limits(1, next(_most)))
    approvals = {"ZMW": ApprovalLimits(1, 1, 1, 1)}
    return Policy({**DEFAULT_POLICY.currencies, "ZMW": rules}, approvals=approvals)


async def _create_policy_version(_: Marketplace) -> Asked:
    request = policy_pb.CreatePolicyVersionRequest(
        request_id=new_request_id(), policy=policy_message(harmless()), reason="Zambia"
    )
    return Asked("operator", request, role="operator")


async def _list_policy_versions(_: Marketplace) -> Asked:
    return Asked("operator", policy_pb.ListPolicyVersionsRequest(page_size=2), role="operator")


REQUESTS: Requests = {
    "CreatePolicyVersion": _create_policy_version,
    "ListPolicyVersions": _list_policy_versions,
}
