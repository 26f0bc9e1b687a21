"""Refuses what Stripe would have to convert, before anybody has paid."""

from __future__ import annotations

from service.domain.call import Call
from service.domain.errors import CurrencyNotReceived, CurrencyNotSettled
from service.domain.records.parties import Payee
from service.runtime import Runtime
from service.store.balance_transactions import currencies_received


async def check_settles(runtime: Runtime, call: Call, currency: str, payee: Payee) -> None:
    """Does nothing for a tenant who did not say what its account holds, or allows conversion.

    Raises:
        CurrencyNotSettled: the platform does not hold the currency.
        CurrencyNotReceived: what the payee got before arrived in others.
    """
    settlement = runtime.stripe[call.tenant_id].settlement
    if settlement.convert or not settlement.currencies:
        return
    if not settlement.holds(currency):
        held = ", ".join(sorted(settlement.currencies))
        raise CurrencyNotSettled(currency=currency, settlement_currencies=held)
    if payee.stripe_account is None:
        return
    received = await currencies_received(runtime.pool, call.tenant_id, payee.stripe_account)
    if received and currency not in received:
        raise CurrencyNotReceived(currency=currency, received=", ".join(sorted(received)))
