"""Lists the versions of the tenant's policy, newest first; the default is the last of them."""

from __future__ import annotations

from escrow.v1.policy_service_pb2 import (
    ListPolicyVersionsRequest,
    ListPolicyVersionsResponse,
    PolicyVersion,
)
from service.domain.call import Call
from service.domain.ids import EPOCH
from service.domain.policy_default import DEFAULT_VERSION
from service.domain.records.policy import StoredPolicy
from service.operations.paging import cursor_of, fill_page, next_page_token, page_limit
from service.operations.policies.messages import default_message, version_message
from service.runtime import Runtime
from service.store.policies import NO_VERSION_YET, find_policies
from service.store.unreadable import Unreadable

QUESTION = "policies"
_DEFAULT = StoredPolicy("", DEFAULT_VERSION, EPOCH, "", "", {})  # it has no row


async def list_policy_versions(
    runtime: Runtime, call: Call, request: ListPolicyVersionsRequest
) -> ListPolicyVersionsResponse:
    """Raises InvalidField: the page token is not one of ours."""

    async def read(after: int | None, most: int) -> list[StoredPolicy | Unreadable[int]]:
        rows = await find_policies(runtime.pool, call.tenant_id, before=after, limit=most)
        if len(rows) < most and after != DEFAULT_VERSION:
            rows.append(_DEFAULT)
        return rows

    after = cursor_of(request.page_token, QUESTION, _number)
    limit = page_limit(request.page_size, usual=20, most=100)
    page = await fill_page(
        read, lambda stored: stored.policy_version, _shown, after=after, limit=limit
    )
    return ListPolicyVersionsResponse(
        versions=page.items,
        next_page_token=next_page_token(str(page.last), QUESTION) if page.last else "",
        unreadable=[str(number) for number in page.unreadable],
    )


def _number(text: str) -> int:
    number = int(text)
    if not 0 < number < NO_VERSION_YET:
        raise ValueError("no version has this number")
    return number


def _shown(stored: StoredPolicy) -> PolicyVersion:
    return default_message() if stored is _DEFAULT else version_message(stored)
