"""A connected account, by either of Stripe's APIs."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.domain.records.parties import AccountApi
from service.domain.states.payee import PayeeState
from service.stripe.objects.values import Object, optional_text, part, parts, text, texts

# What a v2 account shows only when it is asked for.
ACCOUNT_V2_FIELDS = ("configuration.recipient", "identity", "requirements")


@dataclass(frozen=True, slots=True)
class AccountObservation:
    """What Stripe shows of a payee's account. Stripe shows bank accounts of v1 to the platform that
    controls the account, and none of v2.
    """

    id: str
    state: PayeeState
    requirements_due: list[str]
    bank_currencies: list[str] = field(default_factory=list)


def parse_account(api: AccountApi, account: Object) -> AccountObservation:
    """Raises Unreadable."""
    return (parse_account_v1 if api is AccountApi.V1 else parse_account_v2)(account)


def parse_account_v1(account: Object) -> AccountObservation:
    requirements = part(account, "requirements")
    reason = optional_text(requirements, "disabled_reason") or ""
    transfers = optional_text(part(account, "capabilities"), "transfers")
    if transfers == "active" and account.get("payouts_enabled") is True:
        state = PayeeState.ACTIVE
    elif reason.startswith("rejected"):
        state = PayeeState.REJECTED
    elif account.get("details_submitted"):
        state = PayeeState.RESTRICTED
    else:
        state = PayeeState.ONBOARDING
    banks = parts(part(account, "external_accounts"), "data")
    return AccountObservation(
        text(account, "id"),
        state,
        texts(requirements, "currently_due"),
        sorted({text(bank, "currency").upper() for bank in banks}),
    )


def parse_account_v2(account: Object) -> AccountObservation:
    """The state follows the capability that lets money in: recipient, stripe_transfers."""
    recipient = part(part(account, "configuration"), "recipient")
    balance = part(part(recipient, "capabilities"), "stripe_balance")
    transfers, payouts = part(balance, "stripe_transfers"), part(balance, "payouts")
    codes = [optional_text(detail, "code") or "" for detail in parts(transfers, "status_details")]
    entries = parts(part(account, "requirements"), "entries")
    due = [optional_text(entry, "description") or "" for entry in entries]
    paid_out = optional_text(payouts, "status") in (None, "active")
    if account.get("closed"):
        state = PayeeState.DEAUTHORIZED
    elif optional_text(transfers, "status") == "active" and paid_out:
        state = PayeeState.ACTIVE
    elif any(code.startswith("rejected") for code in codes):
        state = PayeeState.REJECTED
    elif due:
        state = PayeeState.ONBOARDING
    else:
        state = PayeeState.RESTRICTED
    return AccountObservation(text(account, "id"), state, due)
