"""Balances and payout schedules: /v1/balance and /v1/balance_settings.

The payout schedule is the same one that /v1/accounts shows under `settings.payouts.schedule`.
"""

from stripe_sandbox import ledger
from stripe_sandbox.call import Call
from stripe_sandbox.connect.account_state import change_account, require_account
from stripe_sandbox.connect.accounts import platform_account
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()


@registry.get("/v1/balance")
def retrieve_balance(call: Call) -> StripeObject:
    """The acting account's balance by currency, available and pending."""
    held = ledger.balance(call)
    account = _own_account(call)
    currencies = sorted({account["default_currency"], *held["available"], *held["pending"]})

    def amounts(status: str) -> list[StripeObject]:
        by_currency = held[status]
        return [_amount(currency, by_currency.get(currency, 0)) for currency in currencies]

    return {
        "object": "balance",
        "available": amounts("available"),
        "livemode": False,
        "pending": amounts("pending"),
    }


@registry.get("/v1/balance_settings")
def retrieve_balance_settings(call: Call) -> StripeObject:
    """The acting account's payout schedule and settlement timing."""
    return _settings(_own_account(call))


@registry.post("/v1/balance_settings")
def update_balance_settings(call: Call) -> StripeObject:
    """Change the schedule: `manual` keeps the money until a payout is created."""
    _own_account(call)
    payments = call.params.hash("payments")
    payouts = payments.hash("payouts")
    schedule = payouts.hash("schedule")
    with change_account(call, call.account) as account:
        known = account["settings"]["payouts"]
        known["debit_negative_balances"] = payments.boolean(
            "debit_negative_balances", default=known["debit_negative_balances"]
        )
        known["statement_descriptor"] = payouts.text(
            "statement_descriptor", known["statement_descriptor"]
        )
        known["schedule"]["interval"] = schedule.text("interval", known["schedule"]["interval"])
        for name in ("monthly_payout_days", "weekly_payout_days"):
            if schedule.is_set(name):
                known["schedule"][name] = _days(schedule.array(name))
        delay = payments.hash("settlement_timing").integer("delay_days_override")
        if delay is not None:
            known["schedule"]["delay_days"] = delay
    settings = _settings(account)
    call.emit("balance_settings.updated", settings)
    return settings


def _own_account(call: Call) -> StripeObject:
    return platform_account(call) if call.on_platform else require_account(call, call.account)


def _amount(currency: str, amount: int) -> StripeObject:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


def _days(days: list[str]) -> list[str | int]:
    """Days of the month are numbers, days of the week are names."""
    return [int(day) if day.isdigit() else day for day in days]


def _settings(account: StripeObject) -> StripeObject:
    payouts = account["settings"]["payouts"]
    schedule = {name: value for name, value in payouts["schedule"].items() if name != "delay_days"}
    return {
        "object": "balance_settings",
        "payments": {
            "debit_negative_balances": payouts["debit_negative_balances"],
            "payouts": {
                "minimum_balance_by_currency": None,
                "schedule": schedule,
                "statement_descriptor": payouts["statement_descriptor"],
                "status": "enabled" if account["payouts_enabled"] else "disabled",
            },
            "settlement_timing": {"delay_days": payouts["schedule"]["delay_days"]},
        },
    }
