"""Controls under /_sandbox/ for what the owner of an account, Stripe or a bank would do."""

from stripe_sandbox.call import Call
from stripe_sandbox.connect.account_state import change_account, disconnect, require_account, shown
from stripe_sandbox.connect.onboarding_page import complete_onboarding
from stripe_sandbox.connect.payout_progress import FAILURE, fail, pay
from stripe_sandbox.errors import resource_missing
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()


@registry.control("POST", "/_sandbox/accounts/{account}/onboard")
def onboard_account(call: Call) -> StripeObject:
    """The owner completes onboarding: {"legal_name": ..., "account_number": ...}, both optional."""
    account = complete_onboarding(
        call,
        call.path["account"],
        legal_name=call.params.text("legal_name") or "Jenny Rosen",
        account_number=call.params.text("account_number"),
    )
    return shown(call, account)


@registry.control("POST", "/_sandbox/accounts/{account}/restrict")
def restrict_account(call: Call) -> StripeObject:
    """Stripe restricts an account until something is provided; {"lifted": true} ends that.

    {"disabled_reason": "requirements.past_due", "requirements": ["individual.id_number"]} are the
    defaults; {"silently": true} suppresses the events.
    """
    silently = call.params.boolean("silently")
    with change_account(call, call.path["account"], silently=silently) as account:
        account["_restriction"] = None
        if not call.params.boolean("lifted"):
            account["_restriction"] = {
                "disabled_reason": call.params.text("disabled_reason", "requirements.past_due"),
                "requirements": call.params.array("requirements") or ["individual.id_number"],
            }
    return shown(call, account)


@registry.control("POST", "/_sandbox/accounts/{account}/deauthorize")
def deauthorize_account(call: Call) -> StripeObject:
    """The owner disconnects the account from the platform."""
    return disconnect(call, require_account(call, call.path["account"]))


@registry.control("POST", "/_sandbox/payouts/{payout}/fail")
def fail_payout(call: Call) -> StripeObject:
    """The bank returns a payout, also one that is paid: {"failure_code", "failure_message"}."""
    owner = _owner_of_payout(call)
    payout = owner.require("payout", call.path["payout"])
    code, message = FAILURE
    fail(
        owner,
        payout,
        call.params.text("failure_code") or code,
        call.params.text("failure_message") or message,
    )
    return payout


@registry.control("POST", "/_sandbox/payouts/{payout}/pay")
def pay_payout(call: Call) -> StripeObject:
    """The money arrives at the bank now."""
    owner = _owner_of_payout(call)
    payout = owner.require("payout", call.path["payout"])
    pay(owner, payout)
    return payout


def _owner_of_payout(call: Call) -> Call:
    for account in call.state.store.accounts_with("payout"):
        if call.on(account).find("payout", call.path["payout"]) is not None:
            return call.on(account)
    raise resource_missing("payout", call.path["payout"])
