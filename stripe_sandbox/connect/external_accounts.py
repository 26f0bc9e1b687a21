"""External accounts: bank accounts that receive payouts; no debit cards.

Stripe's test numbers decide how a payout ends; see `PAYOUT_FAILURES` in `bank_details.py`.
"""

from stripe_sandbox.call import Call
from stripe_sandbox.connect.account_state import change_account, require_account
from stripe_sandbox.connect.bank_details import (
    GOOD_ACCOUNT_NUMBER,
    TEST_ROUTING_NUMBER,
    bank_details,
)
from stripe_sandbox.errors import InvalidRequestError, parameter_invalid
from stripe_sandbox.ids import new_id
from stripe_sandbox.params import Params
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()

ACCOUNT_NUMBER_BY_TOKEN = {
    "btok_us": GOOD_ACCOUNT_NUMBER,
    "btok_us_verified": GOOD_ACCOUNT_NUMBER,
    "btok_us_noAccount": "000111111116",
    "btok_us_accountClosed": "000111111113",
    "btok_us_insufficientFunds": "000222222227",
    "btok_us_debitNotAuthorized": "000333333335",
    "btok_us_invalidCurrency": "000444444440",
}

BASE = "/v1/accounts/{account}/external_accounts"


@registry.post(BASE)
def create_external_account(call: Call) -> StripeObject:
    """Attach a bank account; the first of its currency becomes the default."""
    with change_account(call, call.path["account"]):
        bank = attach_bank_account(call.on(call.path["account"]), call.params)
        if call.params.boolean("default_for_currency"):
            make_default(call.on(call.path["account"]), bank)
        bank["metadata"] = call.params.merge_metadata(bank["metadata"])
    return bank


@registry.get(BASE)
def list_external_accounts(call: Call) -> StripeObject:
    """The external accounts, newest first."""
    require_account(call, call.path["account"])
    wanted = call.params.text("object", "bank_account")
    return call.on(call.path["account"]).page("bank_account", lambda bank: bank["object"] == wanted)


@registry.get(BASE + "/{id}")
def retrieve_external_account(call: Call) -> StripeObject:
    """One external account."""
    require_account(call, call.path["account"])
    return call.on(call.path["account"]).require("bank_account", call.path["id"])


@registry.post(BASE + "/{id}")
def update_external_account(call: Call) -> StripeObject:
    """Change the holder's name, the metadata, or make it the default."""
    with change_account(call, call.path["account"]):
        bank = retrieve_external_account(call)
        before = private_copy(bank)
        for name in ("account_holder_name", "account_holder_type", "account_type"):
            bank[name] = call.params.text(name, bank[name])
        bank["metadata"] = call.params.merge_metadata(bank["metadata"])
        owner = call.on(call.path["account"])
        if call.params.boolean("default_for_currency"):
            make_default(owner, bank)
        owner.emit("account.external_account.updated", bank, before)
    return bank


@registry.delete(BASE + "/{id}")
def delete_external_account(call: Call) -> StripeObject:
    """Detach it; the default one has to be replaced first."""
    with change_account(call, call.path["account"]) as account:
        bank = retrieve_external_account(call)
        if bank["default_for_currency"] and bank["currency"] == account["default_currency"]:
            raise InvalidRequestError(
                "You cannot delete the default external account for your default currency. Please "
                "make another external account the default using the `default_for_currency` "
                "param, and then delete this one."
            )
        owner = call.on(call.path["account"])
        owner.emit("account.external_account.deleted", bank)
        owner.remove("bank_account", bank["id"])
    return {
        "id": bank["id"],
        "object": "bank_account",
        "currency": bank["currency"],
        "deleted": True,
    }


def attach_bank_account(owner: Call, params: Params) -> StripeObject:
    """Create the bank account that `external_account` describes, on the owner's account.

    Args:
        owner: a call that acts on the account the bank account belongs to.
        params: parameters with `external_account`, a test token or a hash.
    """
    params.require("external_account")
    described = params["external_account"]
    if isinstance(described, str):
        if described not in ACCOUNT_NUMBER_BY_TOKEN:
            raise InvalidRequestError(
                f"No such token: '{described}'", code="resource_missing", param="external_account"
            )
        number = ACCOUNT_NUMBER_BY_TOKEN[described]
        return add_bank_account(owner, country="US", currency="usd", account_number=number)
    bank = params.hash("external_account")
    if bank.text("object") != "bank_account":
        raise parameter_invalid(
            bank.name_of("object"), "The sandbox attaches bank accounts only, no debit cards."
        )
    return add_bank_account(
        owner,
        country=bank.required_text("country"),
        currency=bank.currency(),
        account_number=bank.required_text("account_number"),
        routing_number=bank.text("routing_number"),
        holder_name=bank.text("account_holder_name"),
        holder_type=bank.text("account_holder_type"),
    )


def add_bank_account(
    owner: Call,
    *,
    country: str,
    currency: str,
    account_number: str,
    routing_number: str | None = None,
    holder_name: str | None = None,
    holder_type: str | None = None,
) -> StripeObject:
    """Store a bank account and emit `account.external_account.created`."""
    name = "external_account[account_number]"
    details = bank_details(country)
    account_number = account_number.replace(" ", "")
    if not details.takes(account_number):
        kind = "valid IBAN" if details.is_iban else "test bank account number"
        raise parameter_invalid(name, f"You must use a {kind}.")
    routing_number = routing_number or details.routing_number or TEST_ROUTING_NUMBER
    bank = owner.add(
        {
            "id": new_id("ba"),
            "object": "bank_account",
            "account": owner.account,
            "account_holder_name": holder_name,
            "account_holder_type": holder_type,
            "account_type": None,
            "available_payout_methods": ["standard"],
            "bank_name": "STRIPE TEST BANK",
            "country": country,
            "currency": currency,
            "default_for_currency": default_bank_account(owner, currency) is None,
            "fingerprint": f"fp_{account_number[-4:]}{routing_number}",
            "last4": account_number[-4:],
            "metadata": {},
            "routing_number": routing_number,
            "status": "new",
            "_account_number": account_number,
        }
    )
    owner.emit("account.external_account.created", bank)
    return bank


def default_bank_account(owner: Call, currency: str) -> StripeObject | None:
    """The default bank account for payouts in this currency, as a working copy."""
    for bank in owner.select("bank_account"):
        if bank["currency"] == currency and bank["default_for_currency"]:
            return owner.find("bank_account", bank["id"])
    return None


def make_default(owner: Call, bank: StripeObject) -> None:
    """Make it the default bank account for payouts in its currency."""
    previous = default_bank_account(owner, bank["currency"])
    if previous is not None:
        previous["default_for_currency"] = False
    bank["default_for_currency"] = True
