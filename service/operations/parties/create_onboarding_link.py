"""Makes a link to Stripe's onboarding page."""

from __future__ import annotations

from typing import Any

from escrow.v1.party_service_pb2 import (
    CreateOnboardingLinkRequest,
    CreateOnboardingLinkResponse,
)
from service.aggregates.payee import require_account
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayeeMissing
from service.domain.records.parties import AccountApi
from service.domain.unit import UnitOfWork
from service.operations.messages import timestamp
from service.operations.mutation import mutation
from service.operations.return_urls import check_return_urls
from service.runtime import Runtime
from service.store.parties import find_payee, load_parties
from service.stripe.objects.values import moment_of


async def create_onboarding_link(
    runtime: Runtime, call: Call, request: CreateOnboardingLinkRequest
) -> CreateOnboardingLinkResponse:
    """The link is a credential: that it was asked for is recorded, the link itself never is.

    The same request_id gets the same link for as long as Stripe remembers it.

    Raises:
        InvalidField: a URL leads to a host that the tenant does not list. PayeeMissing.
        PayeeNotReady: the payee has no account yet. PayeeRefused, AccountLost: nor will they,
            before their data are corrected or the account is replaced.
        StripeRefused, StripeUnavailable.
    """
    check_return_urls(runtime, call, return_url=request.return_url, refresh_url=request.refresh_url)
    await _record(runtime, call, request)
    payee = await find_payee(runtime.pool, call.tenant_id, ids.parse(request.payee_id))
    if payee is None:
        raise PayeeMissing
    params = _parameters(payee.account_api, require_account(payee), request)
    key = f"onboarding_link:{call.caller}:{call.key}"
    gateway = runtime.stripe[call.tenant_id]
    link = await gateway.create_onboarding_link(payee.account_api, params, key)
    expires_at = moment_of(link.get("expires_at"))
    return CreateOnboardingLinkResponse(url=link["url"], expire_time=timestamp(expires_at))


def _parameters(
    api: AccountApi, account_id: str, request: CreateOnboardingLinkRequest
) -> dict[str, Any]:
    urls = {"return_url": request.return_url, "refresh_url": request.refresh_url}
    if api is AccountApi.V1:
        return {"account": account_id, "type": "account_onboarding", **urls}
    return {
        "account": account_id,
        "use_case": {
            "type": "account_onboarding",
            "account_onboarding": urls,
        },
    }


@mutation(CreateOnboardingLinkResponse, of="create_onboarding_link")
async def _record(
    runtime: Runtime, unit: UnitOfWork, request: CreateOnboardingLinkRequest
) -> CreateOnboardingLinkResponse:
    found = await load_parties(runtime.pool, unit, payee_id=ids.parse(request.payee_id))
    if found.payee is None:
        raise PayeeMissing
    require_account(found.payee)
    unit.note = request.payee_id
    return await runtime.save(unit, CreateOnboardingLinkResponse())
