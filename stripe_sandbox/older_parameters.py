"""Translates requests of older API versions to the version the sandbox implements.

A request names its version in the header Stripe-Version. Without one it speaks its account's
default version, and the platform's is the oldest this table knows: the recipes of Stripe's own CLI,
which send no version, are written for such accounts. Stripe's SDKs always name theirs, so their
requests are not changed.

An older request is translated before it is checked, change by change, and then held against the
types of the `stripe` package like any other. What is not in the table stays refused. Only requests
are translated: answers and events have the shape of the current version.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.events import API_VERSION
from stripe_sandbox.params import Params
from stripe_sandbox.store import private_copy

ACCOUNT_DEFAULT_VERSION = "2019-12-03"

# Since 2024 a version has a name after its date; previews append more to it.
A_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(\.[a-z_]+.*)?")

# Parameters without a newer equivalent: they pass the check unchanged.
Kept = dict[str, Any]
Translate = Callable[[dict[str, Any]], Kept]


@dataclass(frozen=True)
class Change:
    """A breaking change to one operation's parameters, for requests of versions before it."""

    version: str
    method: str
    path: re.Pattern[str]
    translate: Translate

    def concerns(self, method: str, path: str, version: str) -> bool:
        """Whether a request of this version was written before the change to its operation."""
        return (
            method == self.method
            and self.path.fullmatch(path) is not None
            and version[:10] < self.version[:10]
        )


def _rename_payment_method_types(params: dict[str, Any]) -> Kept:
    """`payment_method_types` became `allowed_payment_method_types`."""
    if "payment_method_types" in params:
        params["allowed_payment_method_types"] = params.pop("payment_method_types")
    return {}


def _rename_jp_bank_account(params: dict[str, Any]) -> Kept:
    """The transfer type `jp_bank_account` became `jp_bank_transfer`."""
    options = params.get("payment_method_options")
    transfer = Params({"payment_method_options": options or {}})
    for name in ("payment_method_options", "customer_balance", "bank_transfer"):
        transfer = transfer.hash(name)
    if transfer.text("type") == "jp_bank_account":
        renamed = {**transfer, "type": "jp_bank_transfer"}
        options["customer_balance"]["bank_transfer"] = renamed  # type: ignore[index] # it is there
    return {}


def _cards_unless_said_otherwise(params: dict[str, Any]) -> Kept:
    """Cards were the default; now the Dashboard chooses the payment methods."""
    chosen = {"automatic_payment_methods", "payment_method_types", "allowed_payment_method_types"}
    if not chosen & set(params):
        params["allowed_payment_method_types"] = ["card"]
    return {}


def _capture_at_once(params: dict[str, Any]) -> Kept:
    """Captures were synchronous; now they are asynchronous unless asked otherwise."""
    params.setdefault("capture_method", "automatic")
    return {}


def _keep_coupon(params: dict[str, Any]) -> Kept:
    """A customer could carry a `coupon`; now only what is billed has discounts."""
    return {"coupon": params.pop("coupon")} if "coupon" in params else {}


def _legacy_payments(params: dict[str, Any]) -> Kept:
    """Every account could receive money; now that is a capability, which has to be requested."""
    params.setdefault("capabilities", {"legacy_payments": {"requested": "true"}})
    return {}


PAYMENT_INTENTS = re.compile("/v1/payment_intents")
SETUP_INTENTS = re.compile("/v1/setup_intents")
CHECKOUT_SESSIONS = re.compile("/v1/checkout/sessions")
CUSTOMERS = re.compile("/v1/customers(/[^/]+)?")
ACCOUNTS = re.compile("/v1/accounts")

# The newest change first. Which versions dropped the names of the first four is not known here,
# only that the current one no longer accepts them.
CHANGES = [
    Change(API_VERSION, "POST", PAYMENT_INTENTS, _rename_payment_method_types),
    Change(API_VERSION, "POST", SETUP_INTENTS, _rename_payment_method_types),
    Change(API_VERSION, "POST", CHECKOUT_SESSIONS, _rename_payment_method_types),
    Change(API_VERSION, "POST", PAYMENT_INTENTS, _rename_jp_bank_account),
    Change("2025-03-31.basil", "POST", CUSTOMERS, _keep_coupon),
    Change("2024-04-10", "POST", PAYMENT_INTENTS, _capture_at_once),
    Change("2023-08-16", "POST", PAYMENT_INTENTS, _cards_unless_said_otherwise),
    Change("2023-08-16", "POST", SETUP_INTENTS, _cards_unless_said_otherwise),
    Change("2020-08-27", "POST", ACCOUNTS, _legacy_payments),
]


def version_of(header: str | None) -> str:
    """The API version of a request with this Stripe-Version header.

    Raises:
        InvalidRequestError: 400, the header does not start with a date.
    """
    version = header or ACCOUNT_DEFAULT_VERSION
    if not A_VERSION.fullmatch(version):
        raise InvalidRequestError(f"Invalid Stripe API version: {version}")
    return version


def to_current(
    method: str, path: str, version: str, params: dict[str, Any]
) -> tuple[dict[str, Any], Kept]:
    """The parameters in the current version, and those without an equivalent in it.

    Args:
        method: the HTTP method.
        path: the path of the request.
        version: what `version_of` answered.
        params: the decoded parameters; they are left as they are.
    """
    params = private_copy(params)
    kept: Kept = {}
    for change in CHANGES:
        if change.concerns(method, path, version):
            kept |= change.translate(params)
    return params, kept
