"""Balances and the payout schedule."""

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running
from tests.stripe_sandbox.connect.conftest import funded_payee


async def test_balance_settings_and_account_settings_are_one(
    running: Running, client: Json
) -> None:
    payee = await funded_payee(running)
    on_account = {"stripe_account": payee}
    account = await client.v1.accounts.retrieve_async(payee)
    assert account.settings.payouts.schedule.interval == "manual"
    await client.v1.accounts.update_async(
        payee, {"settings": {"payouts": {"schedule": {"interval": "daily", "delay_days": 4}}}}
    )
    settings = await client.v1.balance_settings.retrieve_async(None, on_account)
    assert settings.payments.payouts.schedule.interval == "daily"
    assert settings.payments.settlement_timing.delay_days == 4
    weekly = await client.v1.balance_settings.update_async(
        {
            "payments": {
                "payouts": {"schedule": {"interval": "weekly", "weekly_payout_days": ["monday"]}}
            }
        },
        on_account,
    )
    assert weekly.payments.payouts.schedule.weekly_payout_days == ["monday"]
    own = await client.v1.balance_settings.retrieve_async()
    assert own.payments.payouts.status == "enabled"
