"""Reads a payee: whether they can be paid, and what they own."""

from __future__ import annotations

from collections.abc import Mapping

from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1.money_pb2 import Money
from escrow.v1.party_service_pb2 import GetPayeeRequest, GetPayeeResponse
from service.domain import accounts, ids
from service.domain.accounts import Account
from service.domain.call import Call
from service.domain.errors import PayeeMissing
from service.domain.records.parties import Payee
from service.domain.states.payee import LOST, PayeeState
from service.operations.messages import money, timestamp
from service.operations.parties.messages import payee_message
from service.operations.parties.named import check_named_once
from service.operations.parties.refresh_account import refresh_account
from service.operations.payouts.availability import NOTHING, HeldBack, held_back
from service.runtime import Runtime
from service.store.parties import (
    find_payee,
    find_payee_balances,
    find_payee_by_reference,
    find_previous_accounts,
)

UNREADY = frozenset({PayeeState.ONBOARDING, PayeeState.RESTRICTED})


# What the books know of a payee, by the fields of PayeeBalance.
_FIELDS: Mapping[Account, str] = {
    accounts.PENDING: "pending",
    accounts.PAYABLE: "payable",
    accounts.RESERVE: "reserve",
    accounts.CONN_BALANCE: "connected",
    accounts.CONN_IN_TRANSIT: "in_transit",
}
# What is summed up from the records, because the books keep no balance of these accounts.
_SUMMED = ("receivable", "in_flight")


async def get_payee(runtime: Runtime, call: Call, request: GetPayeeRequest) -> GetPayeeResponse:
    """A payee who cannot be paid yet is looked up at Stripe: they may be ready by now.

    Raises:
        PayeeMissing, InvalidField.
    """
    named = check_named_once("payee_id", request.payee_id, request.reference)
    if request.payee_id:
        payee = await find_payee(runtime.pool, call.tenant_id, ids.parse(request.payee_id))
    else:
        payee = await find_payee_by_reference(runtime.pool, call.tenant_id, request.reference)
    if payee is not None and payee.state in UNREADY:
        await refresh_account(runtime, call.tenant_id, payee.payee_id)
        payee = await find_payee(runtime.pool, call.tenant_id, payee.payee_id)
    if payee is None:
        raise PayeeMissing(**named)
    answer = payee_message(payee)
    await _add_balances(runtime, payee, answer)
    return GetPayeeResponse(payee=answer)


async def _add_balances(runtime: Runtime, payee: Payee, answer: party_pb.Payee) -> None:
    """What the payee owns, one entry a currency, in the order of the currencies' codes."""
    held = await _held_back(runtime, payee)  # first, for it may book what has come
    names = {"payee": payee.public_id, "account": payee.stripe_account or ""}
    field_of = {account.name(names): field for account, field in _FIELDS.items()} | {
        name: name for name in (*_SUMMED, "asked")
    }
    rows = await find_payee_balances(runtime.pool, payee.tenant_id, payee.payee_id, list(field_of))
    amounts: dict[str, dict[str, int]] = {}
    previous: dict[str, list[Money]] = {}
    for account, currency, amount_minor in rows:
        if account not in field_of:
            previous.setdefault(account, []).extend(
                [money(amount_minor, currency)] if currency else []
            )
        elif currency:
            amounts.setdefault(currency, {})[field_of[account]] = amount_minor
    for currency, known in sorted(amounts.items()):
        balance = answer.balances.add()
        for name in (*_FIELDS.values(), *_SUMMED):
            getattr(balance, name).CopyFrom(money(known.get(name, 0), currency))
        if held is not None:
            back = held.get(currency, NOTHING)
            free_minor = known.get("connected", 0) - known.get("asked", 0)
            balance.available.CopyFrom(money(max(0, free_minor - back.minor), currency))
            if until := timestamp(back.until):
                balance.available_time.CopyFrom(until)
    if previous:
        await _add_previous_accounts(runtime, payee, answer, previous)


async def _held_back(runtime: Runtime, payee: Payee) -> Mapping[str, HeldBack] | None:
    """None: Stripe would have to say and does not, or it pays out nothing of a lost account."""
    if payee.state in LOST:
        return None
    if payee.stripe_account is None:
        return {}
    return await held_back(runtime, payee.tenant_id, payee.stripe_account)


async def _add_previous_accounts(
    runtime: Runtime, payee: Payee, answer: party_pb.Payee, balances: Mapping[str, list[Money]]
) -> None:
    for known in await find_previous_accounts(runtime.pool, payee.tenant_id, payee.payee_id):
        name = accounts.CONN_BALANCE.name({"account": known.stripe_account})
        answer.previous_accounts.add(
            stripe_account=known.stripe_account,
            state=party_pb.PayeeState.Value(f"PAYEE_STATE_{known.state}"),
            replace_time=timestamp(known.replaced_at),
            connected=sorted(balances.get(name, ()), key=lambda each: each.currency),
        )
