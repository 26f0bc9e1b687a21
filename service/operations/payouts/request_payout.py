"""Sends money from a payee's Stripe account to their bank."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import RequestPayoutRequest, RequestPayoutResponse
from service.aggregates.payee import require_account
from service.domain import ids
from service.domain.errors import (
    AmountAboveBalance,
    FieldViolation,
    InvalidField,
    PayeeMissing,
    PayeeNotReady,
)
from service.domain.money import payout_step_minor
from service.domain.policy import CURRENT_VERSION, POLICIES
from service.domain.records.payout import Payout
from service.domain.states.payee import PayeeState
from service.domain.states.payout import PayoutState
from service.domain.unit import UnitOfWork
from service.effects import create_payout
from service.operations.mutation import mutation
from service.operations.payouts.messages import payout_message
from service.runtime import Runtime
from service.store.parties import load_payee


@mutation(RequestPayoutResponse)
async def request_payout(
    runtime: Runtime, unit: UnitOfWork, request: RequestPayoutRequest
) -> RequestPayoutResponse:
    """The books move when Stripe has made the payout (posting 8).

    Raises:
        PayeeMissing, PayeeNotReady, PayeeRefused, AccountLost.
        AmountBeyondLimits, AmountAboveBalance.
    """
    found = await load_payee(runtime.pool, unit, ids.parse(request.payee_id))
    if found is None:
        raise PayeeMissing
    payee = found.payee
    amount_minor, currency = request.amount.amount_minor, request.amount.currency
    require_account(payee)
    if payee.state is not PayeeState.ACTIVE:
        raise PayeeNotReady(state=payee.state)
    step_minor = payout_step_minor(currency)
    if amount_minor % step_minor:
        problem = f"must be a multiple of {step_minor} in {currency}"
        raise InvalidField(FieldViolation("amount.amount_minor", problem))
    asked_minor = sum(p.amount_minor for p in found.payouts if p.currency == currency)
    free_minor = found.connected_minor.get(currency, 0) - asked_minor
    whole = amount_minor == free_minor - free_minor % step_minor
    POLICIES[CURRENT_VERSION].check_limits(amount_minor, currency, all_there_is=whole)
    if amount_minor > free_minor:
        raise AmountAboveBalance(balance_minor=free_minor, currency=currency)
    payout = Payout(
        tenant_id=unit.call.tenant_id,
        payout_id=unit.new_id(),
        payee_id=payee.payee_id,
        amount_minor=amount_minor,
        currency=currency,
        state=PayoutState.REQUESTED,
        created_at=unit.now,
        updated_at=unit.now,
    )
    unit.put(payee)  # guards the sum of what was asked for
    unit.create(payout)
    create_payout.plan(unit, payee, payout)
    return await runtime.save(unit, RequestPayoutResponse(payout=payout_message(payout)))
