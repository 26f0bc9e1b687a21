"""Changes a payer's name or e-mail address, here and at Stripe."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import UpdatePayerRequest, UpdatePayerResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayerMissing, StaleEtag
from service.domain.unit import UnitOfWork
from service.effects import create_customer, update_customer
from service.operations.mutation import mutation
from service.operations.parties.messages import payer_message
from service.operations.parties.send_data import send_data
from service.runtime import Runtime
from service.store.commit import Overtaken
from service.store.effects import find_effect
from service.store.parties import find_payer, load_payer


async def update_payer(
    runtime: Runtime, call: Call, request: UpdatePayerRequest
) -> UpdatePayerResponse:
    """Stripe is told at once; should it not answer, a worker goes on.

    Raises:
        PayerMissing, StaleEtag.
        StripeRefused: it does not take the new data, which stay here; correct them again.
        StripeUnavailable.
    """
    payer_id = ids.parse(request.payer_id)
    await _change(runtime, call, request)
    payer = await find_payer(runtime.pool, call.tenant_id, payer_id)
    assert payer is not None  # a payer is never deleted
    if payer.stripe_customer is None:
        await send_data(runtime, call, payer_id, "payer", request.payer_id)
    effect_id = update_customer.effect_id_of(payer)
    if await find_effect(runtime.pool, call.tenant_id, effect_id):
        await send_data(runtime, call, effect_id, "payer", request.payer_id)
    payer = await find_payer(runtime.pool, call.tenant_id, payer_id)
    assert payer is not None
    return UpdatePayerResponse(payer=payer_message(payer))


@mutation(UpdatePayerResponse, of="update_payer")
async def _change(
    runtime: Runtime, unit: UnitOfWork, request: UpdatePayerRequest
) -> UpdatePayerResponse:
    payer_id = ids.parse(request.payer_id)
    known = await find_payer(runtime.pool, unit.call.tenant_id, payer_id)
    if known is None:
        raise PayerMissing
    exists = known.stripe_customer is not None
    effect_id = update_customer.effect_id_of(known) if exists else payer_id
    found = await load_payer(runtime.pool, unit, payer_id, effect_id=effect_id)
    payer, effect = found.payer, found.effect
    if payer is None or payer.stripe_customer != known.stripe_customer:
        raise Overtaken("the payer's customer was made meanwhile")
    if request.etag not in ("", str(payer.version)):
        raise StaleEtag
    if request.HasField("name"):
        payer.name = request.name
    if request.HasField("email"):
        payer.email = request.email
    unit.put(payer)
    unit.note = request.payer_id
    if exists:
        update_customer.plan(unit, payer, effect)
    elif effect is not None:
        create_customer.correct(unit, payer, effect)
    return await runtime.save(unit, UpdatePayerResponse(payer=payer_message(payer)))
