"""Creates a payee, and their connected account at Stripe."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import ACCOUNT_API_V1, CreatePayeeRequest, CreatePayeeResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayeeMissing, StripeRefused
from service.domain.lifecycle import EffectState, PayeeState
from service.domain.model import AccountApi, EffectKind, Payee
from service.domain.unit import UnitOfWork
from service.operations.house import House, mutation
from service.operations.messages import payee_message
from service.operations.perform_effect import finish_effect
from service.operations.renew_effect import renew_rejected
from service.store.parties import load_parties, read_payee
from service.stripe import requests


async def create_payee(
    house: House, call: Call, request: CreatePayeeRequest
) -> CreatePayeeResponse:
    """The account is made at once; should Stripe not answer, the same request_id gets it later.

    Raises:
        AlreadyExists: there is a payee with this reference.
        StripeRefused, StripeUnavailable.
    """
    payee_id = ids.read((await _register(house, call, request)).payee.id)
    # The effect of the payee's account has the payee's own id.
    await renew_rejected(house, call, payee_id)  # as a replay of this request may ask
    effect = await finish_effect(house, call.tenant_id, payee_id)
    if effect.state is EffectState.REJECTED:
        raise StripeRefused(effect.error.get("message"), code=effect.error.get("code", ""))
    payee = await read_payee(house.pool, call.tenant_id, payee_id)
    if payee is None:
        raise PayeeMissing
    return CreatePayeeResponse(payee=payee_message(payee))


@mutation(CreatePayeeResponse, of="create_payee")
async def _register(
    house: House, unit: UnitOfWork, request: CreatePayeeRequest
) -> CreatePayeeResponse:
    await load_parties(house.pool, unit)
    payee = Payee(
        tenant_id=unit.call.tenant_id,
        payee_id=unit.new_id(),
        version=0,
        reference=request.reference,
        name=request.name,
        email=request.email,
        country=request.country,
        account_api=AccountApi.V1 if request.account_api == ACCOUNT_API_V1 else AccountApi.V2,
        state=PayeeState.NONE,
        stripe_account=None,
        requirements_due=[],
        created_at=unit.now,
        updated_at=unit.now,
    )
    unit.put(payee)
    unit.plan(
        EffectKind.CREATE_ACCOUNT,
        payee.payee_id,
        subject_id=payee.payee_id,
        payee_id=payee.payee_id,
        request=requests.account(payee, ids.show(ids.EFFECT, payee.payee_id)),
    )
    return await house.save(unit, CreatePayeeResponse(payee=payee_message(payee)))
