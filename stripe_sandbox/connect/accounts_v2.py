"""The same accounts through /v2/core/accounts.

v2 speaks JSON, answers only the parts that `include` asks for (the others are null), and shows
capabilities by configuration: `recipient.capabilities.stripe_balance.stripe_transfers` is the
`transfers` capability of v1.
"""

from datetime import datetime

from stripe_sandbox.call import Call
from stripe_sandbox.connect.account_state import change_account, derive, require_account
from stripe_sandbox.connect.account_view_v2 import applied_configurations, view
from stripe_sandbox.connect.accounts import remember_identity
from stripe_sandbox.connect.capabilities import request_capability
from stripe_sandbox.connect.new_account import controller, new_account
from stripe_sandbox.errors import InvalidRequestError, parameter_invalid
from stripe_sandbox.params import Params
from stripe_sandbox.refused_values import check_country, checked_email
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()

PAGE_SIZE = 10
BASE = "/v2/core/accounts"


@registry.post(BASE)
def create_account(call: Call) -> StripeObject:
    """Connect a new account with its configurations."""
    params = call.params
    responsibilities = params.hash("defaults").hash("responsibilities")
    fees = responsibilities.text("fees_collector") or "stripe"
    losses = responsibilities.text("losses_collector") or "stripe"
    dashboard = params.text("dashboard") or "none"
    if dashboard != "none" and not params.is_set("contact_email"):
        raise parameter_invalid("contact_email", "contact_email is required with a dashboard.")
    identity = params.hash("identity")
    country = (identity.text("country") or "US").upper()
    check_country(call, country, identity.name_of("country"))
    # A platform that gives the account no Stripe dashboard must also collect its requirements.
    collection = "application" if dashboard == "none" and losses == "application" else "stripe"
    account = new_account(
        call,
        country=country,
        kind="none",
        control=controller("account" if fees == "stripe" else fees, losses, collection, dashboard),
    )
    call.on(call.state.platform).add(account)
    _apply(call, account)
    derive(call, account)
    return _answer(call, account)


@registry.get(BASE)
def list_accounts(call: Call) -> StripeObject:
    """The open accounts (or with `closed` the closed ones), newest first, in pages."""
    platform = call.on(call.state.platform)
    closed = call.params.boolean("closed")
    wanted = set(call.params.array("applied_configurations"))
    accounts = platform.select(
        "account",
        lambda account: (
            account["id"] != platform.account
            and account["_closed"] == closed
            and wanted <= set(applied_configurations(account))
        ),
    )
    ids = [account["id"] for account in accounts]
    after = call.params.text("page")
    start = ids.index(after) + 1 if after in ids else 0
    end = start + (call.params.integer("limit", PAGE_SIZE) or PAGE_SIZE)
    has_more = end < len(accounts)
    return {
        "data": [view(account, ()) for account in accounts[start:end]],
        "next_page_url": f"{BASE}?limit={end - start}&page={ids[end - 1]}" if has_more else None,
    }


@registry.get(BASE + "/{account}")
def retrieve_account(call: Call) -> StripeObject:
    """One account, with the parts that `include` names."""
    return _answer(call, require_account(call, call.path["account"]))


@registry.post(BASE + "/{account}")
def update_account(call: Call) -> StripeObject:
    """Change the details of an account or its configurations."""
    with change_account(call, call.path["account"]) as account:
        if account["_closed"]:
            raise InvalidRequestError("A closed account cannot be changed.")
        _apply(call, account)
    return _answer(call, account)


@registry.post(BASE + "/{account}/close")
def close_account(call: Call) -> StripeObject:
    """Take all its configurations away; it can still be read."""
    with change_account(call, call.path["account"]) as account:
        account["_closed"] = True
        account["_requested"] = {}
        account["_v2"]["configurations"] = []
    return view(account, ())


def _answer(call: Call, account: StripeObject) -> StripeObject:
    return view(account, set(call.params.array("include")))


def _apply(call: Call, account: StripeObject) -> None:
    """Take over the parameters that create and update share."""
    params = call.params
    account["email"] = checked_email(params, "contact_email", account["email"])
    account["metadata"] = params.merge_metadata(account["metadata"])
    account["_v2"]["contact_phone"] = params.text("contact_phone", account["_v2"]["contact_phone"])
    if params.is_set("dashboard"):
        account["controller"]["stripe_dashboard"]["type"] = params.text("dashboard")
    name = params.text("display_name", account["settings"]["dashboard"]["display_name"])
    account["settings"]["dashboard"]["display_name"] = name
    _apply_defaults(account, params.hash("defaults"))
    _apply_identity(account, params.hash("identity"))
    for configuration in params.hash("configuration"):
        _configure(call, account, configuration)


def _apply_defaults(account: StripeObject, defaults: Params) -> None:
    account["default_currency"] = defaults.text("currency", account["default_currency"])
    if defaults.is_set("locales"):
        account["_v2"]["locales"] = defaults.array("locales")
    profile, known = defaults.hash("profile"), account["business_profile"]
    known["url"] = profile.text("business_url", known["url"])
    known["name"] = profile.text("doing_business_as", known["name"])
    known["product_description"] = profile.text("product_description", known["product_description"])


def _apply_identity(account: StripeObject, identity: Params) -> None:
    country = identity.text("country")
    if country and country.upper() != account["country"]:
        name = identity.name_of("country")
        raise parameter_invalid(name, "The country of an account cannot be changed.")
    account["business_type"] = identity.text("entity_type", account["business_type"])
    individual = identity.hash("individual")
    remember_identity(account, "first_name", individual.text("given_name"))
    remember_identity(account, "last_name", individual.text("surname"))
    company = identity.hash("business_details").text("registered_name")
    remember_identity(account, "company_name", company)
    terms = identity.hash("attestations").hash("terms_of_service").hash("account")
    if terms.is_set("date"):
        accepted = {"date": _instant(terms, "date"), "ip": terms.text("ip")}
        account["tos_acceptance"] |= accepted
    for name in ("individual", "business_details"):
        account["_v2"][name] |= _echoed(identity.hash(name))


def _instant(params: Params, name: str) -> int:
    """An instant in ISO 8601, as Unix seconds."""
    text = params.required_text(name)
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError as error:
        raise parameter_invalid(params.name_of(name), f"Invalid timestamp: {text}") from error


def _echoed(details: Params) -> StripeObject:
    """The details of a person or a company as answered, without identification numbers."""
    shown = {name: value for name, value in details.items() if name != "documents"}
    if details.is_set("id_numbers"):
        shown["id_numbers"] = [{"type": n["type"]} for n in details.hashes("id_numbers")]
    return shown


def _configure(call: Call, account: StripeObject, name: str) -> None:
    """Apply a configuration and request its capabilities, or take it away."""
    configuration = call.params.hash("configuration").hash(name)
    configurations = account["_v2"]["configurations"]
    capabilities = configuration.hash("capabilities")
    if name == "recipient":
        capabilities = _transfers_only(capabilities)
    if not configuration.boolean("applied", default=True):
        account["_v2"]["configurations"] = [held for held in configurations if held != name]
        for capability in list(account["_requested"]):
            if (capability == "transfers") == (name == "recipient"):
                request_capability(account, capability, requested=False, now=call.now)
        return
    if name not in configurations:
        configurations.append(name)
    for capability in capabilities:
        requested = capabilities.hash(capability).boolean("requested")
        request_capability(account, capability, requested, call.now)


def _transfers_only(capabilities: Params) -> Params:
    """A recipient's capabilities under their v1 names."""
    for name in capabilities:
        if name != "stripe_balance":
            message = "The sandbox pays recipients through their Stripe balance only."
            raise parameter_invalid(capabilities.name_of(name), message)
    transfers = capabilities.hash("stripe_balance")
    known = {"transfers": transfers["stripe_transfers"]} if "stripe_transfers" in transfers else {}
    return Params(known, transfers.prefix)
