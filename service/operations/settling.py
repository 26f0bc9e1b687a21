"""Refuses or quotes what Stripe would have to convert, before anybody has paid."""

from __future__ import annotations

from collections.abc import Sequence

from service.domain.call import Call
from service.domain.charge_limits import least_chargeable_minor
from service.domain.errors import AmountBeyondLimits, CurrencyNotReceived, CurrencyNotSettled
from service.domain.money import format_minor
from service.domain.policy import Policy
from service.domain.records.parties import Payee
from service.domain.settlement import QuotedConversion
from service.runtime import Runtime
from service.store.balance_transactions import currencies_received
from service.store.payments import newest_settlements


async def check_settles(runtime: Runtime, call: Call, currency: str, payee: Payee) -> None:
    """Does nothing for a tenant who did not say what its account holds, or allows conversion.

    Raises:
        CurrencyNotSettled: the platform does not hold the currency.
        CurrencyNotReceived: the payee's bank accounts are in others; or, where Stripe does not show
            them, what the payee got before arrived in others.
    """
    check_held(runtime, call, currency)
    settlement = runtime.stripe[call.tenant_id].settlement
    if settlement.convert or not settlement.currencies or payee.stripe_account is None:
        return
    received = set(payee.bank_currencies) or await currencies_received(
        runtime.pool, call.tenant_id, payee.stripe_account
    )
    if received and currency not in received:
        raise CurrencyNotReceived(currency=currency, received=", ".join(sorted(received)))


async def quote_conversion(runtime: Runtime, call: Call, currency: str) -> QuotedConversion | None:
    """None where Stripe need not convert or may not, or the tenant did not say what its account
    holds. It asks Stripe, so call it before anything is loaded.
    """
    gateway = runtime.stripe[call.tenant_id]
    settlement = gateway.settlement
    if settlement.holds(currency) or not settlement.convert:
        return None
    into = settlement.currencies[0]
    return QuotedConversion(into, await gateway.exchange_rates.rate(currency, into))


def check_held(runtime: Runtime, call: Call, currency: str) -> None:
    """Raises CurrencyNotSettled: the platform does not hold it, and refuses conversion."""
    settlement = runtime.stripe[call.tenant_id].settlement
    if not settlement.holds(currency) and not settlement.convert:
        held = ", ".join(sorted(settlement.currencies))
        raise CurrencyNotSettled(currency=currency, settlement_currencies=held)


def check_chargeable(
    policy: Policy, currency: str, amounts_minor: Sequence[int], conversion: QuotedConversion | None
) -> None:
    """Each milestone can be paid by itself, by the policy and, as far as it is known into what
    Stripe would convert it, by Stripe.

    Raises:
        CurrencyNotInPolicy, AmountBeyondLimits.
    """
    policy.check_milestones(currency, amounts_minor)
    if conversion is None:
        return
    least_minor = least_chargeable_minor(conversion.currency)
    for amount in amounts_minor:
        charged_minor = policy.quote(currency, [amount])[0].charged_minor
        settled_minor = conversion.convert(charged_minor, currency)
        if settled_minor is not None and settled_minor < least_minor:
            raise AmountBeyondLimits(
                f"{format_minor(charged_minor, currency)} come to"
                f" {format_minor(settled_minor, conversion.currency)}, and Stripe charges no less"
                f" than {format_minor(least_minor, conversion.currency)}.",
                amount_minor=settled_minor,
                least_minor=least_minor,
                currency=conversion.currency,
            )


async def contradicted_settings(runtime: Runtime, tenant_id: str) -> list[str]:
    """What the newest payment of each currency shows that settlement_currencies does not say."""
    held = runtime.stripe[tenant_id].settlement.currencies
    if not held:
        return []
    problems = []
    for paid, settled in await newest_settlements(runtime.pool, tenant_id):
        if settled not in held:
            problems.append(f"{paid} settles in {settled}: add {settled}")
        elif paid in held and settled != paid:
            problems.append(f"{paid} is converted to {settled}: remove {paid}")
    return [f"settlement_currencies is {', '.join(held)}, but {each}" for each in problems]
