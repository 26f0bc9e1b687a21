"""What a key may do: a restricted one what it was made for, one that was rolled nothing.

A secret key may do everything, and so may a restricted one of which nothing was said. The names are
those that Stripe's error messages say, without their "rak_"; a key that may write may read.
"""

import re

from stripe_sandbox.authentication import redacted
from stripe_sandbox.errors import InvalidRequestError

_PERMISSIONS = (
    ("/v1/account", "connected_account"),
    ("/v1/account_links", "account_link"),
    ("/v1/accounts", "connected_account"),
    ("/v1/balance", "balance"),
    ("/v1/balance_settings", "balance_settings"),
    ("/v1/balance_transactions", "balance_transaction_source"),
    ("/v1/charges", "charge"),
    ("/v1/checkout/sessions", "checkout_session"),
    ("/v1/customers", "customer"),
    ("/v1/disputes", "dispute"),
    ("/v1/events", "event"),
    ("/v1/exchange_rates", "exchange_rate"),
    ("/v1/payment_intents", "payment_intent"),
    ("/v1/payouts", "payout"),
    ("/v1/radar/early_fraud_warnings", "early_fraud_warning"),
    ("/v1/refunds", "refund"),
    ("/v1/transfers", "transfer"),
    ("/v1/webhook_endpoints", "webhook"),
    ("/v2/core/account_links", "account_link"),
    ("/v2/core/accounts", "connected_account"),
)


def permission_of(method: str, path: str) -> str:
    """The permission for a request: "customer_write"."""
    action = "read" if method == "GET" else "write"
    for resource, name in _PERMISSIONS:
        if path == resource or path.startswith(f"{resource}/"):
            return f"{name}_{action}"
    resource = re.sub(r"/\{.*", "", path).rpartition("/")[2].removesuffix("s")
    return f"{resource}_{action}"


class Keys:
    """The keys of which something was said."""

    def __init__(self) -> None:
        self.expired: set[str] = set()
        self.restricted: dict[str, frozenset[str]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self.expired.clear()
        self.restricted.clear()

    def check_valid(self, api_key: str) -> None:
        """Refuse a key that was rolled."""
        if api_key in self.expired:
            raise InvalidRequestError(
                f"Expired API Key provided: {redacted(api_key)}",
                code="api_key_expired",
                status=401,
            )

    def check_permission(self, api_key: str, method: str, path: str, account: str) -> None:
        """Refuse what a restricted key was not made for."""
        granted = self.restricted.get(api_key)
        if granted is None:
            return
        needed = permission_of(method, path)
        if needed in granted or needed.replace("_read", "_write") in granted:
            return
        raise InvalidRequestError(
            f"The provided key '{redacted(api_key)}' does not have the required permissions for "
            f"this endpoint on account '{account}'. Having the 'rak_{needed}' permission would "
            "allow this request to continue.",
            status=403,
        )
