"""Links for the account's owner: to onboarding (single use, short-lived) and to the dashboard.

v1 and v2 answer differently but make the same link; the page behind it is `onboarding_page.py`.
"""

from datetime import UTC, datetime

from stripe_sandbox.call import Call
from stripe_sandbox.connect.account_state import require_account
from stripe_sandbox.errors import InvalidRequestError, parameter_missing
from stripe_sandbox.ids import token
from stripe_sandbox.params import Params
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()

LINK_LIFETIME_S = 300


@registry.post("/v1/account_links")
def create_account_link(call: Call) -> StripeObject:
    """A link to Stripe-hosted onboarding."""
    for name in ("refresh_url", "return_url"):
        if not call.params.is_set(name):
            raise parameter_missing(name)
    link = _new_link(call, call.params.required_text("account"), call.params)
    return {
        "object": "account_link",
        "created": link["created"],
        "expires_at": link["expires_at"],
        "url": link["url"],
    }


@registry.post("/v2/core/account_links")
def create_account_link_v2(call: Call) -> StripeObject:
    """The same through v2, which repeats the use case in its answer."""
    use_case = call.params.hash("use_case")
    kind = use_case.required_text("type")
    use_case.require(kind)
    flow = use_case.hash(kind)
    link = _new_link(call, call.params.required_text("account"), flow)
    return {
        "object": "v2.core.account_link",
        "account": link["account"],
        "created": timestamp(link["created"]),
        "expires_at": timestamp(link["expires_at"]),
        "livemode": False,
        "url": link["url"],
        "use_case": {
            "type": kind,
            kind: {
                "collection_options": flow.get("collection_options"),
                "refresh_url": link["refresh_url"],
                "return_url": link["return_url"],
            },
        },
    }


@registry.post("/v1/accounts/{account}/login_links")
def create_login_link(call: Call) -> StripeObject:
    """A link to the Express dashboard, for an account that has one and was onboarded."""
    account = require_account(call, call.path["account"])
    if account["controller"]["stripe_dashboard"]["type"] != "express":
        raise InvalidRequestError(
            f"Cannot create a login link for an account without an Express dashboard: "
            f"{account['id']}."
        )
    if not account["details_submitted"]:
        raise InvalidRequestError(
            "Cannot create a login link for an account that has not completed onboarding."
        )
    return {
        "object": "login_link",
        "created": call.now,
        "url": f"{call.state.public_url}/express/{account['id']}/{token(16)}",
    }


def timestamp(seconds: float) -> str:
    """Unix seconds as v2 writes an instant: `2026-11-20T12:00:00.000Z`."""
    instant = datetime.fromtimestamp(seconds, UTC)
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def _new_link(call: Call, account_id: str, urls: Params) -> StripeObject:
    account = require_account(call, account_id)
    if account["_closed"]:
        raise InvalidRequestError("You cannot create an account link for a closed account.")
    secret = token(24)
    return call.on(call.state.platform).add(
        {
            "object": "_account_link",
            "id": secret,
            "account": account_id,
            "created": call.now,
            "expires_at": call.now + LINK_LIFETIME_S,
            "refresh_url": urls.required_text("refresh_url"),
            "return_url": urls.text("return_url"),
            "url": f"{call.state.public_url}/connect/onboard/{secret}",
            "used": False,
        }
    )
