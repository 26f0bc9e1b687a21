"""What Stripe shows of a refund or a warning that nobody here asked for."""

from __future__ import annotations

from typing import Protocol

from service.aggregates.contradiction import NotOurs
from service.aggregates.escrow import EscrowCase
from service.aggregates.freeze import Cause, freeze_and_hold_back, threatened_part
from service.runtime import Runtime
from service.store.payments import FoundPayment, find_payment
from service.stripe.objects.threats import Threat
from service.stripe.objects.values import our_id


class Threatening(Protocol):
    """What names the payment that it threatens, by its charge, its payment intent or both."""

    @property
    def payment_intent(self) -> str | None: ...

    @property
    def charge(self) -> str | None: ...


async def threatened_payment(runtime: Runtime, tenant_id: str, threat: Threatening) -> FoundPayment:
    """The payment that is threatened. One whose events never came is known by its charge's
    metadata, for which the charge is fetched.

    Raises:
        NotOurs: it is of another product in the same Stripe account.
        StripeRefused, StripeUnavailable, Unreadable.
    """
    intent, charge_id = threat.payment_intent, threat.charge
    found = await find_payment(runtime.pool, tenant_id, payment_intent=intent, charge=charge_id)
    if found is None and charge_id:
        charge = await runtime.stripe[tenant_id].for_workers.fetch_charge(charge_id)
        if payment_id := our_id(charge, "payment"):
            found = await find_payment(runtime.pool, tenant_id, payment_id=payment_id)
    if found is None:
        raise NotOurs(f"no payment of ours has {charge_id or intent}")
    return found


def threatened_minor(threat: Threat, payment: FoundPayment) -> int:
    """So much of the payment is threatened, in its currency: all of it when Stripe does not say."""
    if threat.over:
        return 0
    if threat.amount_minor is None:
        return payment.amount_minor
    return threatened_part(payment, threat.amount_minor, threat.currency)


async def observe_threat(
    runtime: Runtime, case: EscrowCase, found: FoundPayment, threat: Threat
) -> None:
    """Freezes what is threatened, unless it is over."""
    if amount_minor := threatened_minor(threat, found):
        payment = case.payment(found.payment_id)
        cause = Cause(threat.reason, threat.source, threat.stage)
        await freeze_and_hold_back(runtime, case, payment, amount_minor, cause)
