"""Reads a payee: whether they can be paid, and what they own."""

from __future__ import annotations

from collections.abc import Mapping

from escrow.v1.party_service_pb2 import GetPayeeRequest, GetPayeeResponse, PayeeBalance
from service.domain import accounts, ids
from service.domain.accounts import Account
from service.domain.call import Call
from service.domain.errors import PayeeMissing
from service.domain.records.parties import Payee
from service.domain.states.payee import PayeeState
from service.operations.messages import money
from service.operations.parties.messages import payee_message
from service.operations.parties.refresh_account import refresh_account
from service.runtime import Runtime
from service.store.parties import find_payee, find_payee_balances

UNREADY = frozenset({PayeeState.ONBOARDING, PayeeState.RESTRICTED})


# What the books know of a payee, by the fields of PayeeBalance.
_FIELDS: Mapping[Account, str] = {
    accounts.PENDING: "pending",
    accounts.PAYABLE: "payable",
    accounts.RESERVE: "reserve",
    accounts.RECEIVABLE: "receivable",
    accounts.CONN_BALANCE: "connected",
    accounts.CONN_IN_TRANSIT: "in_transit",
}


async def get_payee(runtime: Runtime, call: Call, request: GetPayeeRequest) -> GetPayeeResponse:
    """A payee who cannot be paid yet is looked up at Stripe: they may be ready by now."""
    payee_id = ids.parse(request.payee_id)
    payee = await find_payee(runtime.pool, call.tenant_id, payee_id)
    if payee is not None and payee.state in UNREADY:
        await refresh_account(runtime, call.tenant_id, payee_id)
        payee = await find_payee(runtime.pool, call.tenant_id, payee_id)
    if payee is None:
        raise PayeeMissing
    return GetPayeeResponse(payee=payee_message(payee, await _balances(runtime, payee)))


async def _balances(runtime: Runtime, payee: Payee) -> list[PayeeBalance]:
    """What the payee owns, one entry a currency, in the order of the currencies' codes."""
    names = {"payee": payee.public_id, "account": payee.stripe_account or ""}
    field_of = {account.name(names): field for account, field in _FIELDS.items()} | {
        "in_flight": "in_flight"
    }
    rows = await find_payee_balances(runtime.pool, payee.tenant_id, payee.payee_id, list(field_of))
    amounts: dict[str, dict[str, int]] = {}
    for account, currency, amount_minor in rows:
        amounts.setdefault(currency, {})[field_of[account]] = amount_minor
    return [
        PayeeBalance(
            **{
                name: money(known.get(name, 0), currency)
                for name in dict.fromkeys(field_of.values())
            }
        )
        for currency, known in sorted(amounts.items())
    ]
