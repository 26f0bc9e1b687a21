"""Changes a payee's name, e-mail address or country, here and at Stripe."""

from __future__ import annotations

from uuid import UUID

from escrow.v1.party_service_pb2 import UpdatePayeeRequest, UpdatePayeeResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import CountryFixed, PayeeMissing, StaleEtag, StripeUnavailable
from service.domain.records.effect import Effect
from service.domain.records.parties import Payee
from service.domain.states.effect import OPEN
from service.domain.states.payee import LOST, PayeeEvent, PayeeState
from service.domain.unit import UnitOfWork
from service.effects import create_account, update_account
from service.operations.mutation import mutation
from service.operations.parties.messages import payee_message
from service.operations.parties.send_data import send_data
from service.runtime import Runtime
from service.store.commit import Overtaken
from service.store.effects import find_effect
from service.store.parties import find_payee, load_payee


async def update_payee(
    runtime: Runtime, call: Call, request: UpdatePayeeRequest
) -> UpdatePayeeResponse:
    """Stripe is told at once; should it not answer, a worker goes on.

    Raises:
        PayeeMissing, StaleEtag, CountryFixed.
        StripeRefused: it does not take the new data, which stay here; correct them again.
        StripeUnavailable: also while an account is being made, of another country.
    """
    payee_id = ids.parse(request.payee_id)
    await _change(runtime, call, request)
    payee = await _found(runtime, call, payee_id)
    if payee.stripe_account is None:
        await send_data(runtime, call, payee_id, "payee", request.payee_id)
        payee = await _found(runtime, call, payee_id)
    effect_id = update_account.effect_id_of(payee)
    if payee.state not in LOST and await find_effect(runtime.pool, call.tenant_id, effect_id):
        await send_data(runtime, call, effect_id, "payee", request.payee_id)
    return UpdatePayeeResponse(payee=payee_message(await _found(runtime, call, payee_id)))


async def _found(runtime: Runtime, call: Call, payee_id: UUID) -> Payee:
    payee = await find_payee(runtime.pool, call.tenant_id, payee_id)
    assert payee is not None  # a payee is never deleted
    return payee


@mutation(UpdatePayeeResponse, of="update_payee")
async def _change(
    runtime: Runtime, unit: UnitOfWork, request: UpdatePayeeRequest
) -> UpdatePayeeResponse:
    payee_id = ids.parse(request.payee_id)
    known = await find_payee(runtime.pool, unit.call.tenant_id, payee_id)
    if known is None:
        raise PayeeMissing
    # The effect of the payee's account has the payee's own id.
    effect_id = update_account.effect_id_of(known) if known.stripe_account else payee_id
    found = await load_payee(runtime.pool, unit, payee_id, effect_id=effect_id)
    if found is None or found.payee.stripe_account != known.stripe_account:
        raise Overtaken("the payee's account was made or replaced meanwhile")
    payee, effect = found.payee, found.effect
    if request.etag not in ("", str(payee.version)):
        raise StaleEtag
    if request.HasField("country") and request.country != payee.country:
        _check_country(payee, effect)
        payee.country = request.country
    if request.HasField("name"):
        payee.name = request.name
    if request.HasField("email"):
        payee.email = request.email
    unit.put(payee)
    unit.note = request.payee_id
    _tell_stripe(unit, payee, effect)
    return await runtime.save(unit, UpdatePayeeResponse(payee=payee_message(payee)))


def _check_country(payee: Payee, effect: Effect | None) -> None:
    if payee.stripe_account is not None and payee.state not in LOST:
        raise CountryFixed(payee_id=payee.public_id, stripe_account=payee.stripe_account)
    if payee.stripe_account is None and effect is not None and effect.state in OPEN:
        raise StripeUnavailable  # it may be making the account in the country before


def _tell_stripe(unit: UnitOfWork, payee: Payee, effect: Effect | None) -> None:
    """An account that is lost is not told: the one that replaces it is made with what is new."""
    if payee.stripe_account is None:
        if payee.state is PayeeState.REJECTED:
            unit.advance(payee, PayeeEvent.CORRECT_DATA)
            payee.requirements_due = []
        if effect is not None:
            create_account.correct(unit, payee, effect)
    elif payee.state not in LOST:
        update_account.plan(unit, payee, effect)
