"""Reads a payee: whether they can be paid, and what they own."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import GetPayeeRequest, GetPayeeResponse, PayeeBalance
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayeeMissing
from service.domain.lifecycle import PayeeState
from service.domain.model import Payee
from service.operations.house import House
from service.operations.messages import money, payee_message
from service.operations.refresh_account import refresh_account
from service.store.parties import read_payee, read_payee_balances

UNREADY = frozenset({PayeeState.ONBOARDING, PayeeState.RESTRICTED})


async def get_payee(house: House, call: Call, request: GetPayeeRequest) -> GetPayeeResponse:
    """A payee who cannot be paid yet is looked up at Stripe: they may be ready by now."""
    payee_id = ids.read(request.payee_id)
    payee = await read_payee(house.pool, call.tenant_id, payee_id)
    if payee is not None and payee.state in UNREADY:
        await refresh_account(house, call.tenant_id, payee_id)
        payee = await read_payee(house.pool, call.tenant_id, payee_id)
    if payee is None:
        raise PayeeMissing
    return GetPayeeResponse(payee=payee_message(payee, await _balances(house, payee)))


async def _balances(house: House, payee: Payee) -> list[PayeeBalance]:
    """What the payee owns, one entry a currency, in the order of the currencies' codes."""
    shown = ids.show(ids.PAYEE, payee.payee_id)
    field_of = {
        f"liab:payee:{shown}:pending": "pending",
        f"liab:payee:{shown}:payable": "payable",
        f"liab:payee:{shown}:reserve": "reserve",
        f"asset:receivable:payee:{shown}": "receivable",
        f"conn:{payee.stripe_account}:balance": "connected",
        f"conn:{payee.stripe_account}:in_transit": "in_transit",
        "in_flight": "in_flight",
    }
    rows = await read_payee_balances(house.pool, payee.tenant_id, payee.payee_id, list(field_of))
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
