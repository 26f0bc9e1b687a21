"""What a restricted key must be permitted, and whether one is.

Stripe checks the permission before it looks at what the call is about. So a call about an object
that does not exist, or with a value that there is not, tells: 404 or 400 where it is permitted, 403
where it is not. It changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from service.domain.errors import StripeUnavailable
from service.stripe.gateway import StripeGateway
from service.stripe.outcomes import NO_ACCESS


@dataclass(frozen=True, slots=True)
class Need:
    """One permission, as Stripe's error messages name it, what for, and a call that needs it."""

    permission: str
    purpose: str
    method: str
    path: str
    parameters: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Tried:
    """Whether the key has it: "granted", "missing", or "unclear"; ``told`` is what Stripe names."""

    need: Need
    verdict: str
    told: str = ""


_NOBODY = "acct_1NobodyHasThisId"
_LINK = (
    ("account", _NOBODY),
    ("type", "account_onboarding"),
    ("return_url", "https://example.com/"),
    ("refresh_url", "https://example.com/"),
)

NEEDS = (
    Need("customer_write", "payers", "POST", "/v1/customers/cus_none"),
    Need("payment_intent_write", "payments", "POST", "/v1/payment_intents/pi_none/cancel"),
    Need(
        "checkout_session_write",
        "payments on Stripe's page",
        "POST",
        "/v1/checkout/sessions/cs_none/expire",
    ),
    Need("transfer_write", "money to payees, and back from them", "POST", "/v1/transfers/tr_none"),
    Need("payout_write", "payees' payouts", "POST", "/v1/payouts/po_none/cancel"),
    Need("connected_account_write", "payees' accounts", "POST", f"/v1/accounts/{_NOBODY}"),
    Need(
        "balance_settings_write",
        "that payees are paid out when they ask",
        "POST",
        "/v1/balance_settings",
        (("payments", {"payouts": {"schedule": {"interval": "none_of_them"}}}),),
    ),
    Need("account_link_write", "payees' onboarding", "POST", "/v1/account_links", _LINK),
    Need("charge_read", "what was paid", "GET", "/v1/charges/ch_none"),
    Need("refund_write", "money back to payers", "POST", "/v1/refunds/re_none"),
    Need("dispute_write", "evidence against chargebacks", "POST", "/v1/disputes/dp_none"),
    Need("file_write", "files that are evidence", "POST", "/v1/files"),
    Need(
        "early_fraud_warning_read",
        "warnings of the bank",
        "GET",
        "/v1/radar/early_fraud_warnings/issfr_none",
    ),
    Need("balance_read", "the comparison with the books", "GET", "/v1/balance"),
    Need(
        "balance_transaction_source_read",
        "all that moved the balance, and its cause",
        "GET",
        "/v1/balance_transactions/txn_none",
    ),
    Need("exchange_rate_read", "quotes of what Stripe converts", "GET", "/v1/exchange_rates/usd"),
)
_NAMED = re.compile(r"\('?(?:rak_)?([a-z0-9_]+_(?:read|write))'?\)|'rak_([a-z0-9_]+)'").search


async def try_permissions(gateway: StripeGateway) -> list[Tried]:
    """Tries each, one after the other.

    Raises:
        StripeUnavailable: Stripe does not answer, or refuses the key itself.
    """
    return [await _try(gateway, need) for need in NEEDS]


async def _try(gateway: StripeGateway, need: Need) -> Tried:
    refusal = await gateway.refusal_of(need.method, need.path, dict[str, Any](need.parameters))
    if refusal is None:
        return Tried(need, "granted")
    status, code = refusal.http_status, refusal.code or getattr(refusal.error, "code", None)
    if status == 401:
        raise StripeUnavailable("Stripe refuses the key itself: it is wrong, or was rolled.")
    if status == 403 and code != NO_ACCESS:
        named = _NAMED(refusal.user_message or "")
        return Tried(need, "missing", (named[1] or named[2]) if named else "")
    if status in (400, 404) or code == NO_ACCESS:
        return Tried(need, "granted")
    return Tried(need, "unclear", type(refusal).__name__)
