"""A connected account, by either of Stripe's APIs."""

from __future__ import annotations

from dataclasses import dataclass

from service.domain.records.parties import AccountApi
from service.domain.states.payee import PayeeState
from service.stripe.objects.values import Object, text

# What a v2 account shows only when it is asked for.
ACCOUNT_V2_FIELDS = ("configuration.recipient", "identity", "requirements")


@dataclass(frozen=True, slots=True)
class AccountObservation:
    """What Stripe shows of a payee's account."""

    id: str
    state: PayeeState
    requirements_due: list[str]


def parse_account(api: AccountApi, account: Object) -> AccountObservation:
    return (parse_account_v1 if api is AccountApi.V1 else parse_account_v2)(account)


def parse_account_v1(account: Object) -> AccountObservation:
    capabilities = account.get("capabilities") or {}
    requirements = account.get("requirements") or {}
    reason = str(requirements.get("disabled_reason") or "")
    ready = capabilities.get("transfers") == "active" and account.get("payouts_enabled") is True
    if ready:
        state = PayeeState.ACTIVE
    elif reason.startswith("rejected"):
        state = PayeeState.REJECTED
    elif account.get("details_submitted"):
        state = PayeeState.RESTRICTED
    else:
        state = PayeeState.ONBOARDING
    due = [str(name) for name in requirements.get("currently_due") or []]
    return AccountObservation(text(account, "id"), state, due)


def parse_account_v2(account: Object) -> AccountObservation:
    """The state follows the capability that lets money in: recipient, stripe_transfers."""
    recipient = (account.get("configuration") or {}).get("recipient") or {}
    balance = (recipient.get("capabilities") or {}).get("stripe_balance") or {}
    transfers = balance.get("stripe_transfers") or {}
    payouts = balance.get("payouts") or {}
    details = [str(detail.get("code")) for detail in transfers.get("status_details") or []]
    entries = (account.get("requirements") or {}).get("entries") or []
    due = [str(entry.get("description")) for entry in entries]
    paid_out = payouts.get("status") in (None, "active")
    if account.get("closed"):
        state = PayeeState.DEAUTHORIZED
    elif transfers.get("status") == "active" and paid_out:
        state = PayeeState.ACTIVE
    elif any(code.startswith("rejected") for code in details):
        state = PayeeState.REJECTED
    elif due:
        state = PayeeState.ONBOARDING
    else:
        state = PayeeState.RESTRICTED
    return AccountObservation(text(account, "id"), state, due)
