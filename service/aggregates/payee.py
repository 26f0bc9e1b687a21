"""What Stripe shows of a payee's account: whether money may be sent."""

from __future__ import annotations

from service.aggregates.contradiction import Contradiction
from service.domain.records.effect import Effect
from service.domain.records.parties import Payee
from service.domain.states.payee import PAYEE_SEEN, PayeeEvent
from service.domain.unit import UnitOfWork
from service.runtime import Runtime
from service.store.parties import PayeeRecords, load_payee
from service.stripe.objects.account import AccountObservation
from service.stripe.outcomes import Rejected

NO_ACCESS = "account_invalid"
"""Stripe's code where the platform has no access to an account any more."""


def observe_account(unit: UnitOfWork, payee: Payee, seen: AccountObservation) -> bool:
    """Notes what is new of an account that was fetched just now; False when nothing is.

    Raises:
        Contradiction: it is another account than the payee's.
    """
    if payee.stripe_account not in (None, seen.id):
        raise Contradiction(f"the payee's account is {payee.stripe_account}, not {seen.id}")
    event = PAYEE_SEEN[seen.state]
    after = payee.machine.follow(payee.state, event, unit.call.party)
    known = (payee.stripe_account, payee.state, payee.requirements_due, payee.bank_currencies)
    if (seen.id, after, seen.requirements_due, seen.bank_currencies) == known:
        return False
    payee.stripe_account, payee.requirements_due = seen.id, seen.requirements_due
    payee.bank_currencies = seen.bank_currencies
    unit.advance(payee, event)
    return True


def account_rejected(unit: UnitOfWork, payee: Payee, refusal: Rejected) -> None:
    """Stripe refused to make the account."""
    unit.advance(payee, PayeeEvent.SEE_REJECTED)
    payee.requirements_due = [refusal.message or refusal.code]


async def load_payee_of_effect(
    runtime: Runtime, unit: UnitOfWork, effect: Effect
) -> tuple[PayeeRecords, Effect]:
    """The payee that an effect is for, with their payouts, and the effect as it is now."""
    assert effect.payee_id is not None
    found = await load_payee(
        runtime.pool,
        unit,
        effect.payee_id,
        payout_id=effect.subject_id,
        effect_id=effect.effect_id,
    )
    assert found is not None
    assert found.effect is not None
    return found, found.effect
