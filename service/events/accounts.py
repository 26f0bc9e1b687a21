"""Events of payees' accounts, of either of Stripe's account APIs."""

from __future__ import annotations

from service.aggregates.contradiction import Contradiction, NotOurs
from service.aggregates.payee import look_at_account, observe_account
from service.domain.unit import UnitOfWork
from service.events.event import Event, Unmatched, change
from service.runtime import Runtime
from service.store.parties import find_account, find_payee, load_payee
from service.stripe.objects.account import parse_account
from service.stripe.objects.values import our_id


async def account_changed(runtime: Runtime, event: Event) -> None:
    """An account is fetched afresh: its events are hints, thin, late or out of order."""
    account_id = event.stored.account or str(event.object.get("id") or "")
    tenant_id = event.stored.tenant_id
    known = await find_account(runtime.pool, tenant_id, account_id)
    if known is not None and not known.is_current:
        raise NotOurs("the payee has another account now")
    payee_id = our_id(event.object, "payee") or (known and known.payee_id)
    if payee_id is None:
        raise NotOurs("no payee")
    payee = await find_payee(runtime.pool, tenant_id, payee_id)
    if payee is None or payee.stripe_account is None:
        raise Unmatched(f"no payee of ours has account {account_id or 'without id'}")
    if payee.stripe_account != account_id:
        raise Contradiction(f"the payee's account is {payee.stripe_account}, not {account_id}")
    gateway = runtime.stripe[tenant_id].for_workers
    account = await gateway.fetch_account(payee.account_api, payee.stripe_account)

    async def story(unit: UnitOfWork) -> None:
        found = await load_payee(runtime.pool, unit, payee.payee_id)
        if found is None or found.payee.version != payee.version:
            # Another writer may have fetched the account after us and written before us.
            raise Unmatched("the payee changed while its account was read")
        observe_account(unit, found.payee, parse_account(found.payee.account_api, account))

    await change(runtime, event.stored, story)


async def access_removed(runtime: Runtime, event: Event) -> None:
    """The payee took the platform's access away, if it is so: the account is then refused."""
    account_id, tenant_id = event.stored.account or "", event.stored.tenant_id
    known = await find_account(runtime.pool, tenant_id, account_id)
    if known is None or not known.is_current:
        raise NotOurs("no account that a payee has now")
    payee = await find_payee(runtime.pool, tenant_id, known.payee_id)
    if payee is None or payee.stripe_account != account_id:
        raise Unmatched("the payee's account was replaced while it was read")
    seen = await look_at_account(runtime.stripe[tenant_id].for_workers, payee)

    async def story(unit: UnitOfWork) -> None:
        found = await load_payee(runtime.pool, unit, known.payee_id)
        if found is None or found.payee.stripe_account != account_id:
            raise Unmatched("the payee's account was replaced while it was read")
        observe_account(unit, found.payee, seen)

    await change(runtime, event.stored, story)


PLATFORM = {
    "v2.core.account.updated": account_changed,
    "v2.core.account[requirements].updated": account_changed,
    "v2.core.account[configuration.recipient].updated": account_changed,
    "v2.core.account[configuration.recipient].capability_status_updated": account_changed,
}
CONNECTED = {
    "account.updated": account_changed,
    "account.application.deauthorized": access_removed,
    "account.external_account.created": account_changed,
    "account.external_account.deleted": account_changed,
    "account.external_account.updated": account_changed,
    "capability.updated": account_changed,
}
