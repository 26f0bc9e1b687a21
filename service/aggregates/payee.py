"""What Stripe shows of a payee's account: whether money may be sent."""

from __future__ import annotations

from service.aggregates.contradiction import Contradiction
from service.domain.errors import AccountLost, PayeeNotReady, PayeeRefused, StripeRefused
from service.domain.records.effect import Effect
from service.domain.records.parties import Payee
from service.domain.states.payee import LOST, PAYEE_SEEN, PayeeEvent, PayeeState
from service.domain.unit import UnitOfWork
from service.runtime import Runtime
from service.store.parties import PayeeRecords, load_payee
from service.stripe.gateway import StripeGateway
from service.stripe.objects.account import AccountObservation, parse_account
from service.stripe.outcomes import NO_ACCESS, Rejected


def observe_account(unit: UnitOfWork, payee: Payee, seen: AccountObservation) -> bool:
    """Notes what is new of an account that was fetched just now; False when nothing is.

    Raises:
        Contradiction: it is another account than the payee's.
    """
    if payee.stripe_account not in (None, seen.id):
        raise Contradiction(f"the payee's account is {payee.stripe_account}, not {seen.id}")
    event = PAYEE_SEEN[seen.state]
    after = payee.machine.follow(payee.public_id, payee.state, event, unit.party)
    known = (payee.stripe_account, payee.state, payee.requirements_due, payee.bank_currencies)
    if (seen.id, after, seen.requirements_due, seen.bank_currencies) == known:
        return False
    payee.stripe_account, payee.requirements_due = seen.id, seen.requirements_due
    payee.bank_currencies = seen.bank_currencies
    unit.advance(payee, event)
    return True


def require_account(payee: Payee) -> str:
    """The account at Stripe with which a payee can do something.

    Raises:
        PayeeNotReady: there is none yet. PayeeRefused, AccountLost: there has to be another.
    """
    facts = {"payee_id": payee.public_id, "state": payee.state}
    if payee.state in LOST:
        raise (AccountLost if payee.stripe_account else PayeeRefused)(**facts)
    if payee.stripe_account is None:
        raise PayeeNotReady(**facts)
    return payee.stripe_account


async def look_at_account(gateway: StripeGateway, payee: Payee) -> AccountObservation:
    """The account as Stripe shows it now; DEAUTHORIZED where it refuses us access.

    Raises:
        StripeRefused, StripeUnavailable, Unreadable.
    """
    assert payee.stripe_account is not None
    try:
        account = await gateway.fetch_account(payee.account_api, payee.stripe_account)
    except StripeRefused as refusal:
        if refusal.metadata.get("code") != NO_ACCESS:
            raise
        return AccountObservation(payee.stripe_account, PayeeState.DEAUTHORIZED, [])
    return parse_account(payee.account_api, account)


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
