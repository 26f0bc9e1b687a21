"""Creates a payee, and their connected account at Stripe."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import ACCOUNT_API_V1, CreatePayeeRequest, CreatePayeeResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayeeMissing
from service.domain.records.parties import AccountApi, Payee
from service.domain.states.payee import PayeeState
from service.domain.unit import UnitOfWork
from service.effects import create_account
from service.operations.mutation import mutation
from service.operations.parties.existing import TAKEN, name_existing
from service.operations.parties.messages import payee_message
from service.operations.parties.send_data import send_data
from service.runtime import Runtime
from service.store.parties import find_payee, find_payee_by_reference, load_parties


async def create_payee(
    runtime: Runtime, call: Call, request: CreatePayeeRequest
) -> CreatePayeeResponse:
    """The account is made at once; should Stripe not answer, the same request_id gets it later.

    Raises:
        AlreadyExists: there is a payee with this reference, whose id is in the metadata.
        StripeRefused: correct the payee's data with UpdatePayee. StripeUnavailable.
    """
    try:
        payee_id = ids.parse((await _register(runtime, call, request)).payee.id)
    except TAKEN as refusal:
        payee = await find_payee_by_reference(runtime.pool, call.tenant_id, request.reference)
        raise await name_existing(runtime, refusal, payee) from None
    # The effect of the payee's account has the payee's own id.
    shown = ids.show(ids.PAYEE, payee_id)
    await send_data(runtime, call, payee_id, "payee", shown)
    payee = await find_payee(runtime.pool, call.tenant_id, payee_id)
    if payee is None:
        raise PayeeMissing
    return CreatePayeeResponse(payee=payee_message(payee))


@mutation(CreatePayeeResponse, of="create_payee")
async def _register(
    runtime: Runtime, unit: UnitOfWork, request: CreatePayeeRequest
) -> CreatePayeeResponse:
    await load_parties(runtime.pool, unit)
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
    create_account.plan(unit, payee)
    return await runtime.save(unit, CreatePayeeResponse(payee=payee_message(payee)))
