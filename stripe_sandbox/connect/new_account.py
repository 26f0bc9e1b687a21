"""A fresh account in v1's shape, before anything is known about its owner."""

from stripe_sandbox.call import Call
from stripe_sandbox.connect.account_state import NO_REQUIREMENTS
from stripe_sandbox.ids import token
from stripe_sandbox.store import StripeObject

PAYOUT_DELAY_DAYS = 2

# Default currency of an account by country; the euro elsewhere.
CURRENCY_BY_COUNTRY = {
    "AU": "aud", "BR": "brl", "CA": "cad", "CH": "chf", "CZ": "czk", "DK": "dkk", "GB": "gbp",
    "GI": "gbp", "HK": "hkd", "HU": "huf", "IN": "inr", "JP": "jpy", "LI": "chf", "MX": "mxn",
    "MY": "myr", "NO": "nok", "NZ": "nzd", "PL": "pln", "RO": "ron", "SE": "sek", "SG": "sgd",
    "TH": "thb", "US": "usd",
}  # fmt: skip


def controller(fees: str, losses: str, collection: str, dashboard: str) -> StripeObject:
    """Who pays the fees, bears losses and collects requirements; which dashboard there is."""
    return {
        "fees": {"payer": fees},
        "is_controller": True,
        "losses": {"payments": losses},
        "requirement_collection": collection,
        "stripe_dashboard": {"type": dashboard},
        "type": "application",
    }


def new_account(call: Call, *, country: str, kind: str, control: StripeObject) -> StripeObject:
    """An account object that is not stored yet; `kind` is its `type`."""
    currency = CURRENCY_BY_COUNTRY.get(country, "eur")
    return {
        "id": f"acct_1{token(15)}",
        "object": "account",
        "business_profile": _empty(
            "mcc", "name", "product_description", "support_address", "support_email",
            "support_phone", "support_url", "url",
        ),
        "business_type": None,
        "capabilities": {},
        "charges_enabled": False,
        "controller": control,
        "country": country,
        "created": call.now,
        "default_currency": currency,
        "details_submitted": False,
        "email": None,
        "future_requirements": NO_REQUIREMENTS,
        "metadata": {},
        "payouts_enabled": False,
        "requirements": NO_REQUIREMENTS,
        "settings": _settings(control),
        "tos_acceptance": {"date": None, "ip": None, "user_agent": None},
        "type": kind,
        "_requested": {},
        "_identity": {},
        "_restriction": None,
        "_closed": False,
        "_v2": {
            "business_details": {},
            "configurations": [],
            "contact_phone": None,
            "individual": {},
            "locales": None,
        },
    }  # fmt: skip


def _settings(control: StripeObject) -> StripeObject:
    return {
        "branding": _empty("icon", "logo", "primary_color", "secondary_color"),
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False},
            **_empty(
                "statement_descriptor_prefix",
                "statement_descriptor_prefix_kana",
                "statement_descriptor_prefix_kanji",
            ),
        },
        "dashboard": {"display_name": None, "timezone": "Etc/UTC"},
        "payments": _empty(
            "statement_descriptor", "statement_descriptor_kana", "statement_descriptor_kanji"
        ),
        "payouts": {
            # Where Stripe bears the losses, it debits negative balances from the bank.
            "debit_negative_balances": control["losses"]["payments"] == "stripe",
            "schedule": {"delay_days": PAYOUT_DELAY_DAYS, "interval": "daily"},
            "statement_descriptor": None,
        },
    }


def _empty(*names: str) -> StripeObject:
    return dict.fromkeys(names)
