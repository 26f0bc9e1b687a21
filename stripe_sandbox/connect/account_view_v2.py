"""How v2 shows an account that is stored in v1's shape."""

from collections.abc import Collection

from stripe_sandbox.connect.account_links import timestamp
from stripe_sandbox.store import StripeObject

# Names of required fields: v1 -> v2.
V2_REQUIREMENTS = {
    "business_type": "identity.entity_type",
    "company.name": "identity.business_details.registered_name",
    "external_account": "defaults.payout_methods",
    "individual.first_name": "identity.individual.given_name",
    "individual.last_name": "identity.individual.surname",
    "tos_acceptance.date": "identity.attestations.terms_of_service.account.date",
}
STATUS_CODES = {
    "requirements.past_due": "requirements_past_due",
    "rejected.fraud": "rejected_fraud",
    "rejected.terms_of_service": "rejected_terms_of_service",
    "rejected.other": "rejected_other",
}
NOT_CONFIGURED: StripeObject = {"customer": None, "merchant": None, "recipient": None}


def view(account: StripeObject, include: Collection[str]) -> StripeObject:
    """The v2 account.

    Args:
        account: the stored account.
        include: the parts that are asked for (`identity`, `configuration.recipient`, ...); all
            others are null, which is how v2 keeps its answers small.
    """
    parts = {
        "defaults": _defaults,
        "identity": _identity,
        "requirements": _requirements,
    }
    return {
        "id": account["id"],
        "object": "v2.core.account",
        "applied_configurations": applied_configurations(account),
        "closed": account["_closed"],
        "configuration": _configuration(account, include),
        "contact_email": account["email"],
        "contact_phone": account["_v2"]["contact_phone"],
        "created": timestamp(account["created"]),
        "dashboard": account["controller"]["stripe_dashboard"]["type"],
        "display_name": account["settings"]["dashboard"]["display_name"],
        "future_requirements": None,
        "livemode": False,
        "metadata": account["metadata"],
        **{name: show(account) if name in include else None for name, show in parts.items()},
    }


def applied_configurations(account: StripeObject) -> list[str]:
    """The configurations applied through v2, and those implied by capabilities requested in v1."""
    applied = set(account["_v2"]["configurations"])
    for capability in account["_requested"]:
        applied.add("recipient" if capability == "transfers" else "merchant")
    return sorted(applied)


def _configuration(account: StripeObject, include: Collection[str]) -> StripeObject | None:
    shown = {
        name: _configured(account, name)
        for name in applied_configurations(account)
        if f"configuration.{name}" in include
    }
    wanted = any(name.startswith("configuration.") for name in include)
    return {**NOT_CONFIGURED, **shown} if wanted else None


def _configured(account: StripeObject, name: str) -> StripeObject:
    configuration: StripeObject = {"applied": True}
    statuses = {
        capability: _status(account, active=status == "active")
        for capability, status in account["capabilities"].items()
    }
    balance = {"payouts": _status(account, active=account["payouts_enabled"])}
    if name == "merchant":
        cards = {key: status for key, status in statuses.items() if key.endswith("_payments")}
        configuration["capabilities"] = {**cards, "stripe_balance": balance}
    if name == "recipient":
        if "transfers" in statuses:
            balance["stripe_transfers"] = statuses["transfers"]
        configuration["capabilities"] = {"stripe_balance": balance}
    return configuration


def _status(account: StripeObject, *, active: bool) -> StripeObject:
    if active:
        return {"status": "active", "status_details": []}
    code = STATUS_CODES.get(account["requirements"]["disabled_reason"], "restricted_other")
    past_due = code == "requirements_past_due"
    detail = {"code": code, "resolution": "provide_info" if past_due else "contact_stripe"}
    status = "rejected" if code.startswith("rejected") else "restricted"
    return {"status": status, "status_details": [detail]}


def _defaults(account: StripeObject) -> StripeObject:
    control = account["controller"]
    payer = control["fees"]["payer"]
    profile = account["business_profile"]
    return {
        "currency": account["default_currency"],
        "locales": account["_v2"]["locales"],
        "profile": {
            "business_url": profile["url"],
            "doing_business_as": profile["name"],
            "product_description": profile["product_description"],
        },
        "responsibilities": {
            "fees_collector": "stripe" if payer == "account" else payer,
            "losses_collector": control["losses"]["payments"],
            "requirements_collector": control["requirement_collection"],
        },
    }


def _identity(account: StripeObject) -> StripeObject:
    known = account["_identity"]
    company = {**account["_v2"]["business_details"]}
    if "company_name" in known:
        company["registered_name"] = known["company_name"]
    return {
        "attestations": None,
        "business_details": company or None,
        "country": account["country"],
        "entity_type": account["business_type"],
        "individual": _individual(account) if "first_name" in known else None,
    }


def _individual(account: StripeObject) -> StripeObject:
    created = timestamp(account["created"])
    return {
        **account["_v2"]["individual"],
        "id": f"person_{account['id'].removeprefix('acct_')}",
        "object": "v2.core.account_person",
        "account": account["id"],
        "created": created,
        "given_name": account["_identity"]["first_name"],
        "surname": account["_identity"].get("last_name"),
        "updated": created,
    }


def _requirements(account: StripeObject) -> StripeObject:
    due = account["requirements"]["currently_due"]
    deadline = {"status": "past_due"}
    return {
        "alternatives": [],
        "entries": [_entry(account, requirement, deadline) for requirement in due],
        "summary": {"minimum_deadline": {**deadline, "time": None} if due else None},
    }


def _entry(account: StripeObject, requirement: str, deadline: StripeObject) -> StripeObject:
    if requirement == "external_account":
        restricted = [("stripe_balance.payouts", name) for name in applied_configurations(account)]
    else:
        restricted = [
            ("stripe_balance.stripe_transfers", "recipient")
            if capability == "transfers"
            else (capability, "merchant")
            for capability in account["capabilities"]
        ]
    return {
        "awaiting_action_from": "user",
        "description": V2_REQUIREMENTS.get(requirement, requirement),
        "errors": [],
        "impact": {
            "restricts_capabilities": [
                {"capability": capability, "configuration": configuration, "deadline": deadline}
                for capability, configuration in restricted
            ]
        },
        "minimum_deadline": deadline,
        "reference": None,
        "requested_reasons": [{"code": "routine_onboarding"}],
    }
