"""Gives a payee whose account is lost another one; what waits for them goes there."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import ReplacePayeeAccountRequest, ReplacePayeeAccountResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import AccountNotLost, PayeeMissing, PayeeRefused, StaleEtag
from service.domain.records.parties import PreviousAccount
from service.domain.states.payee import LOST, PayeeEvent
from service.domain.unit import UnitOfWork
from service.effects import create_account
from service.operations.mutation import mutation
from service.operations.parties.messages import payee_message
from service.operations.parties.refresh_account import refresh_account
from service.operations.parties.send_data import send_data
from service.runtime import Runtime
from service.store.parties import find_payee, find_previous_accounts, load_payee


async def replace_payee_account(
    runtime: Runtime, call: Call, request: ReplacePayeeAccountRequest
) -> ReplacePayeeAccountResponse:
    """Transfers that were sent to the old account are decided there: Stripe refuses them, and they
    follow, or it has made them, and the money is in the old account.

    Raises:
        PayeeMissing, StaleEtag, PartyNotAllowed.
        AccountNotLost, PayeeRefused: there is nothing to replace.
        StripeRefused, StripeUnavailable.
    """
    payee_id = ids.parse(request.payee_id)
    payee = await find_payee(runtime.pool, call.tenant_id, payee_id)
    if payee is not None and payee.state not in LOST:
        # The event that tells of the loss may be late, or never come.
        await refresh_account(runtime, call.tenant_id, payee_id, expects_loss=True)
    known = await find_previous_accounts(runtime.pool, call.tenant_id, payee_id)
    gone = {previous.stripe_account for previous in known}
    await _replace(runtime, call, request, gone)
    # The effect of the payee's account has the payee's own id.
    await send_data(runtime, call, payee_id, "payee", request.payee_id)
    payee = await find_payee(runtime.pool, call.tenant_id, payee_id)
    assert payee is not None  # a payee is never deleted
    return ReplacePayeeAccountResponse(payee=payee_message(payee))


@mutation(ReplacePayeeAccountResponse, of="replace_payee_account")
async def _replace(
    runtime: Runtime, unit: UnitOfWork, request: ReplacePayeeAccountRequest, gone: set[str]
) -> ReplacePayeeAccountResponse:
    """``gone`` are the accounts that are known as previous: a worker of a version without
    replacements may have found the lost one again, and given it to the payee.
    """
    payee_id = ids.parse(request.payee_id)
    found = await load_payee(runtime.pool, unit, payee_id, effect_id=payee_id)
    if found is None:
        raise PayeeMissing
    payee, effect = found.payee, found.effect
    if request.etag not in ("", str(payee.version)):
        raise StaleEtag
    lost, state = payee.stripe_account, payee.state
    if state not in LOST:
        raise AccountNotLost(payee_id=payee.public_id, state=state)
    if lost is None:
        raise PayeeRefused(payee_id=payee.public_id)
    assert effect is not None  # it made the account
    unit.advance(payee, PayeeEvent.REPLACE_ACCOUNT)
    if lost not in gone:
        unit.put(PreviousAccount(payee.tenant_id, payee_id, lost, state, unit.now))
    payee.stripe_account, payee.requirements_due, payee.bank_currencies = None, [], []
    create_account.replace(unit, payee, effect, lost)
    unit.note = f"{payee.public_id} {lost}"
    return await runtime.save(unit, ReplacePayeeAccountResponse(payee=payee_message(payee)))
