"""What a connected account may do, derived from what is known about it.

A stored account has Stripe's v1 shape. Facts that v1 does not show, or shows only in part, are kept
in private fields:

    _requested       {capability: when it was requested, Unix seconds}
    _identity        {"first_name", "last_name", "company_name"}, from onboarding or the API
    _restriction     None, or {"disabled_reason", "requirements"} set by Stripe
    _closed          closed through v2: readable, but unusable
    _v2              what only the v2 view shows: configurations, the owner's details, locales

Everything else is derived from these facts: inside `change_account` an account may be changed; at
its end the rest is derived, and `account.updated` and `capability.updated` are emitted.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from stripe_sandbox.call import Call
from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.lists import envelope
from stripe_sandbox.store import StripeObject, private_copy, public

NO_REQUIREMENTS: StripeObject = {
    "alternatives": [],
    "current_deadline": None,
    "currently_due": [],
    "disabled_reason": None,
    "errors": [],
    "eventually_due": [],
    "past_due": [],
    "pending_verification": [],
}


def require_account(call: Call, account_id: str) -> StripeObject:
    """The working copy of a connected account.

    Raises:
        InvalidRequestError: 403 account_invalid, as Stripe answers for any account that is not
            (or no longer) connected to the platform.
    """
    account = call.on(call.state.platform).find("account", account_id)
    if account is None:
        raise InvalidRequestError(
            f"The provided key does not have access to account '{account_id}' (or that account "
            "does not exist). Application access may have been revoked.",
            code="account_invalid",
            status=403,
        )
    return account


@contextmanager
def change_account(
    call: Call, account_id: str, *, silently: bool = False
) -> Iterator[StripeObject]:
    """Change an account or its external accounts inside the block; the events follow.

    Stripe sometimes changes an account without an event: that is what `silently` is for.
    """
    account = require_account(call, account_id)
    before: StripeObject = private_copy(shown(call, account))
    yield account
    derive(call, account)
    after = shown(call, account)
    if silently or public(after) == public(before):
        return
    owner = call.on(account_id)
    owner.emit("account.updated", after, before)
    for name, status in account["capabilities"].items():
        previous = before["capabilities"].get(name)
        if status != previous:
            old = {**capability(account, name), "status": previous or "unrequested"}
            owner.emit("capability.updated", capability(account, name), old)


def disconnect(call: Call, account: StripeObject) -> StripeObject:
    """End the platform's access to an account and emit the event; returns the application."""
    application: StripeObject = {"id": "ca_sandbox", "object": "application", "name": "Sandbox"}
    call.on(account["id"]).emit("account.application.deauthorized", application)
    call.on(call.state.platform).remove("account", account["id"])
    return application


def shown(call: Call, account: StripeObject) -> StripeObject:
    """The account as v1 shows it, with its external accounts."""
    url = f"/v1/accounts/{account['id']}/external_accounts"
    return {**account, "external_accounts": envelope(url, bank_accounts(call, account["id"]))}


def bank_accounts(call: Call, account_id: str) -> list[StripeObject]:
    """The bank accounts of an account, newest first."""
    return call.on(account_id).select("bank_account")


def derive(call: Call, account: StripeObject) -> None:
    """Set everything that follows from the facts: capabilities, requirements, what is enabled."""
    due = fields_due(account, has_usable_bank_account(call, account["id"]))
    restriction = account["_restriction"]
    # Without a bank account it can receive money, but not pay it out.
    is_identified = not set(due) - {"external_account"}
    can_act = bool(_verified_capabilities(account)) and is_identified and not restriction
    if can_act:
        account["details_submitted"] = True
    status = "active" if can_act else "inactive"
    account["capabilities"] = dict.fromkeys(account["_requested"], status)
    if "legacy_payments" in account["_requested"]:
        account["capabilities"]["legacy_payments"] = "inactive" if restriction else "active"
    account["charges_enabled"] = account["capabilities"].get("card_payments") == "active"
    account["payouts_enabled"] = can_act and not due
    account["requirements"] = _requirements(due, restriction)


def _verified_capabilities(account: StripeObject) -> set[str]:
    """The requested capabilities that depend on what is known about the owner.

    `legacy_payments` does not: it dates from when any account could receive money.
    """
    return set(account["_requested"]) - {"legacy_payments"}


def has_usable_bank_account(call: Call, account_id: str) -> bool:
    """Whether a payout is possible: a failed payout disables its bank account."""
    return any(bank["status"] != "errored" for bank in bank_accounts(call, account_id))


def fields_due(account: StripeObject, has_bank_account: bool) -> list[str]:
    """The v1 names of what is still missing before the requested capabilities can be active."""
    if not _verified_capabilities(account):
        return []
    individual = account["business_type"] in {None, "individual"}
    identity = account["_identity"]
    missing = {
        "business_type": account["business_type"] is None,
        "company.name": not individual and not identity.get("company_name"),
        "external_account": not has_bank_account,
        "individual.first_name": individual and not identity.get("first_name"),
        "individual.last_name": individual and not identity.get("last_name"),
        "tos_acceptance.date": account["tos_acceptance"].get("date") is None,
    }
    return [name for name, is_missing in missing.items() if is_missing]


def capability(account: StripeObject, name: str) -> StripeObject:
    """The capability object of an account."""
    due = account["requirements"]
    return {
        "id": name,
        "object": "capability",
        "account": account["id"],
        "future_requirements": NO_REQUIREMENTS,
        "requested": name in account["_requested"],
        "requested_at": account["_requested"].get(name),
        "requirements": {
            **due,
            # Capabilities and accounts have different names for the same reasons.
            "disabled_reason": "requirements.fields_needed" if due["disabled_reason"] else None,
        },
        "status": account["capabilities"].get(name, "unrequested"),
    }


def _requirements(due: list[str], restriction: StripeObject | None) -> StripeObject:
    imposed = restriction["requirements"] if restriction else []
    all_due = sorted({*due, *imposed})
    reason = "requirements.past_due" if all_due else None
    return {
        **NO_REQUIREMENTS,
        "currently_due": all_due,
        "disabled_reason": restriction["disabled_reason"] if restriction else reason,
        "eventually_due": all_due,
        "past_due": all_due,
    }
