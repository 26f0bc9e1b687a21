"""Makes a link to Stripe's onboarding page."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import (
    CreateOnboardingLinkRequest,
    CreateOnboardingLinkResponse,
)
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayeeMissing, PayeeNotReady
from service.domain.unit import UnitOfWork
from service.operations.house import House, mutation
from service.operations.messages import timestamp
from service.store.parties import load_parties, read_payee
from service.stripe import reading, requests


async def create_onboarding_link(
    house: House, call: Call, request: CreateOnboardingLinkRequest
) -> CreateOnboardingLinkResponse:
    """The link is a credential: that it was asked for is recorded, the link itself never is.

    The same request_id gets the same link for as long as Stripe remembers it.

    Raises:
        PayeeMissing.
        PayeeNotReady: the payee has no account yet.
        StripeRefused, StripeUnavailable.
    """
    await _record(house, call, request)
    payee = await read_payee(house.pool, call.tenant_id, ids.read(request.payee_id))
    if payee is None or payee.stripe_account is None:
        raise PayeeNotReady
    params = requests.onboarding_link(
        payee.account_api,
        payee.stripe_account,
        return_url=request.return_url,
        refresh_url=request.refresh_url,
    )
    key = f"onboarding_link:{call.caller}:{call.key}"
    gateway = house.stripe[call.tenant_id]
    link = await gateway.create_onboarding_link(payee.account_api, params, key)
    expires_at = reading.moment_of(link.get("expires_at"))
    return CreateOnboardingLinkResponse(url=link["url"], expire_time=timestamp(expires_at))


@mutation(CreateOnboardingLinkResponse, of="create_onboarding_link")
async def _record(
    house: House, unit: UnitOfWork, request: CreateOnboardingLinkRequest
) -> CreateOnboardingLinkResponse:
    found = await load_parties(house.pool, unit, payee_id=ids.read(request.payee_id))
    if found.payee is None:
        raise PayeeMissing
    if found.payee.stripe_account is None:
        raise PayeeNotReady
    unit.note = request.payee_id
    return await house.save(unit, CreateOnboardingLinkResponse())
