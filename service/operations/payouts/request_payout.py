"""Sends money from a payee's Stripe account to their bank."""

from __future__ import annotations

from escrow.v1.money_pb2 import Money
from escrow.v1.party_service_pb2 import RequestPayoutRequest, RequestPayoutResponse
from service.aggregates.payee import require_account
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import (
    AmountAboveBalance,
    AmountNotAvailable,
    PayeeMissing,
    PayeeNotReady,
    StaleEtag,
    check_multiples,
)
from service.domain.money import payout_step_minor
from service.domain.policy import Policy
from service.domain.records.payout import Payout
from service.domain.states.payee import PayeeState
from service.domain.states.payout import PayoutState
from service.domain.unit import UnitOfWork
from service.effects import create_payout
from service.operations.mutation import mutation
from service.operations.payouts.availability import NOTHING, HeldBack, held_back_of
from service.operations.payouts.messages import payout_message
from service.runtime import Runtime
from service.store.parties import PayeeRecords, find_payee, load_payee


async def request_payout(
    runtime: Runtime, call: Call, request: RequestPayoutRequest
) -> RequestPayoutResponse:
    """The books move when Stripe has made the payout (posting 8).

    Raises:
        PayeeMissing, PayeeNotReady, PayeeRefused, AccountLost, StaleEtag.
        AmountNotMultiple, AmountBeyondLimits.
        AmountAboveBalance, AmountNotAvailable: there is less, or Stripe holds some of it back.
    """
    return await _request(runtime, call, request, await _held_back(runtime, call, request))


async def _held_back(runtime: Runtime, call: Call, request: RequestPayoutRequest) -> HeldBack:
    payee = await find_payee(runtime.pool, call.tenant_id, ids.parse(request.payee_id))
    if payee is None or payee.stripe_account is None or payee.state is not PayeeState.ACTIVE:
        return NOTHING  # and the request is refused
    amount = request.amount
    return await held_back_of(
        runtime, call.tenant_id, payee.stripe_account, amount.currency, amount.amount_minor
    )


@mutation(RequestPayoutResponse, of="request_payout")
async def _request(
    runtime: Runtime, unit: UnitOfWork, request: RequestPayoutRequest, held: HeldBack
) -> RequestPayoutResponse:
    found = await load_payee(runtime.pool, unit, ids.parse(request.payee_id))
    if found is None:
        raise PayeeMissing
    payee = found.payee
    if request.etag not in ("", str(payee.version)):
        raise StaleEtag(etag=payee.version)
    require_account(payee)
    if payee.state is not PayeeState.ACTIVE:
        raise PayeeNotReady(state=payee.state)
    policy = await runtime.policies.get(unit.call.tenant_id, found.policy_version)
    _check_amount(policy, found, request.amount, held)
    payout = Payout(
        tenant_id=unit.call.tenant_id,
        payout_id=unit.new_id(),
        payee_id=payee.payee_id,
        amount_minor=request.amount.amount_minor,
        currency=request.amount.currency,
        state=PayoutState.REQUESTED,
        created_at=unit.now,
        updated_at=unit.now,
    )
    unit.put(payee)  # guards the sum of what was asked for
    unit.create(payout)
    create_payout.plan(unit, payee, payout)
    return await runtime.save(unit, RequestPayoutResponse(payout=payout_message(payout)))


def _check_amount(policy: Policy, found: PayeeRecords, amount: Money, held: HeldBack) -> None:
    amount_minor, currency = amount.amount_minor, amount.currency
    step_minor = payout_step_minor(currency)
    check_multiples({"amount.amount_minor": amount_minor}, step_minor, currency)
    asked_minor = sum(p.amount_minor for p in found.payouts if p.currency == currency)
    free_minor = found.connected_minor.get(currency, 0) - asked_minor
    whole = amount_minor == free_minor - free_minor % step_minor
    policy.check_payout(amount_minor, currency, all_there_is=whole)
    if amount_minor > free_minor:
        raise AmountAboveBalance(
            amount_minor=amount_minor, balance_minor=free_minor, currency=currency
        )
    available_minor = free_minor - held.minor
    if amount_minor > available_minor:
        moment = held.covers_at(amount_minor - available_minor)
        raise AmountNotAvailable(
            amount_minor=amount_minor,
            balance_minor=free_minor,
            available_minor=max(0, available_minor),
            currency=currency,
            available_time=moment or "",
        )
