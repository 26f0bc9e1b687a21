"""Creates a payer, and the Stripe customer that every later payment reuses."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import CreatePayerRequest, CreatePayerResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayerMissing, StripeRefused
from service.domain.lifecycle import EffectState
from service.domain.model import EffectKind, Payer
from service.domain.unit import UnitOfWork
from service.operations.house import House, mutation
from service.operations.messages import payer_message
from service.operations.perform_effect import finish_effect
from service.operations.renew_effect import renew_rejected
from service.store.parties import load_parties, read_payer
from service.stripe import requests


async def create_payer(
    house: House, call: Call, request: CreatePayerRequest
) -> CreatePayerResponse:
    """The customer is made at once; should Stripe not answer, the same request_id gets it later.

    Raises:
        AlreadyExists: there is a payer with this reference.
        StripeRefused, StripeUnavailable.
    """
    payer_id = ids.read((await _register(house, call, request)).payer.id)
    # The effect of the payer's customer has the payer's own id.
    await renew_rejected(house, call, payer_id)  # as a replay of this request may ask
    effect = await finish_effect(house, call.tenant_id, payer_id)
    if effect.state is EffectState.REJECTED:
        raise StripeRefused(code=effect.error.get("code", ""))
    payer = await read_payer(house.pool, call.tenant_id, payer_id)
    if payer is None:
        raise PayerMissing
    return CreatePayerResponse(payer=payer_message(payer))


@mutation(CreatePayerResponse, of="create_payer")
async def _register(
    house: House, unit: UnitOfWork, request: CreatePayerRequest
) -> CreatePayerResponse:
    await load_parties(house.pool, unit)
    payer = Payer(
        tenant_id=unit.call.tenant_id,
        payer_id=unit.new_id(),
        version=0,
        reference=request.reference,
        name=request.name,
        email=request.email,
        stripe_customer=None,
        created_at=unit.now,
        updated_at=unit.now,
    )
    unit.put(payer)
    unit.plan(
        EffectKind.CREATE_CUSTOMER,
        payer.payer_id,
        subject_id=payer.payer_id,
        request=requests.customer(payer, ids.show(ids.EFFECT, payer.payer_id)),
    )
    return await house.save(unit, CreatePayerResponse(payer=payer_message(payer)))
