"""Creates a payer, and the Stripe customer that every later payment reuses."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import CreatePayerRequest, CreatePayerResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayerMissing
from service.domain.records.parties import Payer
from service.domain.unit import UnitOfWork
from service.effects import create_customer
from service.operations.mutation import mutation
from service.operations.parties.existing import TAKEN, name_existing
from service.operations.parties.messages import payer_message
from service.operations.parties.send_data import send_data
from service.runtime import Runtime
from service.store.parties import find_payer, find_payer_by_reference, load_parties


async def create_payer(
    runtime: Runtime, call: Call, request: CreatePayerRequest
) -> CreatePayerResponse:
    """The customer is made at once; should Stripe not answer, the same request_id gets it later.

    Raises:
        AlreadyExists: there is a payer with this reference, whose id is in the metadata.
        StripeRefused: correct the payer's data with UpdatePayer. StripeUnavailable.
    """
    try:
        payer_id = ids.parse((await _register(runtime, call, request)).payer.id)
    except TAKEN as refusal:
        payer = await find_payer_by_reference(runtime.pool, call.tenant_id, request.reference)
        raise await name_existing(runtime, refusal, payer) from None
    # The effect of the payer's customer has the payer's own id.
    shown = ids.show(ids.PAYER, payer_id)
    await send_data(runtime, call, payer_id, "payer", shown)
    payer = await find_payer(runtime.pool, call.tenant_id, payer_id)
    if payer is None:
        raise PayerMissing
    return CreatePayerResponse(payer=payer_message(payer))


@mutation(CreatePayerResponse, of="create_payer")
async def _register(
    runtime: Runtime, unit: UnitOfWork, request: CreatePayerRequest
) -> CreatePayerResponse:
    await load_parties(runtime.pool, unit)
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
    create_customer.plan(unit, payer)
    return await runtime.save(unit, CreatePayerResponse(payer=payer_message(payer)))
