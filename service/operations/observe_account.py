"""What Stripe tells about a payee's account: whether money may be sent."""

from __future__ import annotations

from service.domain import ids
from service.domain.lifecycle import payee_after
from service.domain.model import AccountApi, Payee
from service.domain.unit import UnitOfWork
from service.stripe.reading import (
    AccountObservation,
    Object,
    read_account_v1,
    read_account_v2,
)


def read_account(payee: Payee, account: Object) -> AccountObservation:
    return (read_account_v1 if payee.account_api is AccountApi.V1 else read_account_v2)(account)


def observe_account(unit: UnitOfWork, payee: Payee, told: AccountObservation) -> bool:
    """Notes what is new of an account that was read just now; False when nothing is."""
    before = payee.state
    after = payee_after(before, told.state)
    news = (told.id, after, told.requirements_due)
    if news == (payee.stripe_account, before, payee.requirements_due):
        return False
    payee.stripe_account, payee.state, payee.requirements_due = news
    unit.put(payee)
    unit.moved(ids.show(ids.PAYEE, payee.payee_id), before, payee.state)
    return True
