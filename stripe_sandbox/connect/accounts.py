"""Connected accounts through v1: `controller` style, and the older `type` style."""

from stripe_sandbox.call import Call
from stripe_sandbox.connect.account_state import (
    change_account,
    derive,
    disconnect,
    require_account,
    shown,
)
from stripe_sandbox.connect.bank_details import GOOD_ACCOUNT_NUMBER
from stripe_sandbox.connect.capabilities import request_capability
from stripe_sandbox.connect.external_accounts import (
    add_bank_account,
    attach_bank_account,
)
from stripe_sandbox.connect.new_account import controller, new_account
from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.params import Params
from stripe_sandbox.refused_values import check_country, checked_email
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()

CONTROLLER_BY_TYPE = {
    "standard": controller("account", "stripe", "stripe", "full"),
    "express": controller("application_express", "application", "stripe", "express"),
    "custom": controller("application_custom", "application", "application", "none"),
}
TEXTS = ("business_type", "default_currency")
SETTINGS_TEXTS = ("branding", "card_payments", "dashboard", "payments")


@registry.post("/v1/accounts")
def create_account(call: Call) -> StripeObject:
    """Connect a new account to the platform."""
    kind, control = _controller(call.params)
    country = call.params.text("country") or "US"
    check_country(call, country, "country")
    account = new_account(call, country=country, kind=kind, control=control)
    call.on(call.state.platform).add(account)
    _apply(call.on(account["id"]), account, call.params)
    derive(call, account)
    return shown(call, account)


@registry.get("/v1/accounts")
def list_accounts(call: Call) -> StripeObject:
    """The connected accounts, newest first."""
    platform = call.on(call.state.platform)
    page = platform.page("account", lambda account: account["id"] != platform.account)
    return {**page, "data": [shown(call, account) for account in page["data"]]}


@registry.get("/v1/account")
def retrieve_own_account(call: Call) -> StripeObject:
    """The acting account: the platform, or the one that Stripe-Account names."""
    if call.on_platform:
        return shown(call, platform_account(call))
    return shown(call, require_account(call, call.account))


@registry.get("/v1/accounts/{account}")
def retrieve_account(call: Call) -> StripeObject:
    """One connected account."""
    if call.path["account"] == call.state.platform:
        return shown(call, platform_account(call))
    return shown(call, require_account(call, call.path["account"]))


@registry.post("/v1/accounts/{account}")
def update_account(call: Call) -> StripeObject:
    """Change an account; its status may change, with events."""
    with change_account(call, call.path["account"]) as account:
        _apply(call.on(account["id"]), account, call.params)
    return shown(call, account)


@registry.delete("/v1/accounts/{account}")
def delete_account(call: Call) -> StripeObject:
    """Delete an account. Its books stay, so that the sandbox's invariant still covers them."""
    account = require_account(call, call.path["account"])
    disconnect(call, account)
    return {"id": account["id"], "object": "account", "deleted": True}


@registry.post("/v1/accounts/{account}/reject")
def reject_account(call: Call) -> StripeObject:
    """Close an account for fraud or for breaking the terms; it can no longer receive transfers."""
    reason = call.params.required_text("reason")
    kind = {"fraud": "fraud", "terms": "terms_of_service"}.get(reason.partition("_")[0], "other")
    with change_account(call, call.path["account"]) as account:
        account["_restriction"] = {"disabled_reason": f"rejected.{kind}", "requirements": []}
    return shown(call, account)


def platform_account(call: Call) -> StripeObject:
    """The platform's own account, with a bank account for its payouts; made when first needed."""
    platform = call.on(call.state.platform)
    found = platform.find("account", platform.account)
    if found is not None:
        return found
    control = {
        **CONTROLLER_BY_TYPE["standard"],
        "type": "account",
    }  # the platform controls itself
    account = new_account(call, country="US", kind="standard", control=control)
    account |= {"id": platform.account, "business_type": "company"}
    account["_identity"] = {"company_name": "Sandbox Platform"}
    account["_requested"] = {"card_payments": call.now, "transfers": call.now}
    account["tos_acceptance"]["date"] = call.now
    platform.add(account)
    add_bank_account(platform, country="US", currency="usd", account_number=GOOD_ACCOUNT_NUMBER)
    derive(call, account)
    return account


def _controller(params: Params) -> tuple[str, StripeObject]:
    """The account's `type` and `controller`, from either of the two ways to ask for them."""
    kind = params.text("type")
    if kind is not None and params.is_set("controller"):
        raise InvalidRequestError(
            "You may not provide the `type` parameter and `controller` parameters simultaneously.",
            code="parameters_exclusive",
            param="type",
        )
    if kind is not None or not params.is_set("controller"):
        kind = kind or "standard"
        return kind, CONTROLLER_BY_TYPE[kind]
    wanted = params.hash("controller")
    fees = wanted.hash("fees").text("payer") or "account"
    losses = wanted.hash("losses").text("payments") or "stripe"
    collection = wanted.text("requirement_collection") or "stripe"
    dashboard = wanted.hash("stripe_dashboard").text("type") or "full"
    if dashboard == "full" and losses == "application":
        raise InvalidRequestError(
            "When `controller[losses][payments]=application`, "
            "`controller[stripe_dashboard][type]` must be `express` or `none`.",
            param="controller",
        )
    return "none", controller(fees, losses, collection, dashboard)


def _apply(owner: Call, account: StripeObject, params: Params) -> None:
    """Take over the parameters that create and update share."""
    account["email"] = checked_email(params, "email", account["email"])
    for name in TEXTS:
        account[name] = params.text(name, account[name])
    account["metadata"] = params.merge_metadata(account["metadata"])
    _merge_texts(account["business_profile"], params.hash("business_profile"))
    for name in ("first_name", "last_name"):
        remember_identity(account, name, params.hash("individual").text(name))
    remember_identity(account, "company_name", params.hash("company").text("name"))
    acceptance = params.hash("tos_acceptance")
    account["tos_acceptance"]["date"] = acceptance.integer(
        "date", account["tos_acceptance"]["date"]
    )
    account["tos_acceptance"]["ip"] = acceptance.text("ip", account["tos_acceptance"]["ip"])
    for name in params.hash("capabilities"):
        requested = params.hash("capabilities").hash(name).boolean("requested")
        request_capability(account, name, requested, owner.now)
    _apply_settings(account["settings"], params.hash("settings"))
    if params.is_set("external_account"):
        attach_bank_account(owner, params)


def remember_identity(account: StripeObject, name: str, value: str | None) -> None:
    """Keep a part of the owner's name if it is given."""
    if value:
        account["_identity"][name] = value


def _apply_settings(settings: StripeObject, params: Params) -> None:
    for name in SETTINGS_TEXTS:
        _merge_texts(settings[name], params.hash(name))
    payouts = params.hash("payouts")
    settings["payouts"]["debit_negative_balances"] = payouts.boolean(
        "debit_negative_balances", default=settings["payouts"]["debit_negative_balances"]
    )
    settings["payouts"]["statement_descriptor"] = payouts.text(
        "statement_descriptor", settings["payouts"]["statement_descriptor"]
    )
    schedule, wanted = settings["payouts"]["schedule"], payouts.hash("schedule")
    schedule["interval"] = wanted.text("interval", schedule["interval"])
    if wanted.text("delay_days") not in {None, "minimum"}:
        schedule["delay_days"] = wanted.integer("delay_days", schedule["delay_days"])


def _merge_texts(target: StripeObject, params: Params) -> None:
    for name, value in params.items():
        if name in target and isinstance(value, str):
            target[name] = value or None
