"""Connected accounts, and platform charges to pay them from."""

import pytest

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running

DAY_S = 24 * 3600

RECIPIENT: Json = {
    "contact_email": "jenny@example.com",
    "display_name": "Jenny Rosen",
    "dashboard": "express",
    "defaults": {
        "responsibilities": {"fees_collector": "application", "losses_collector": "application"}
    },
    "identity": {"country": "us", "entity_type": "individual"},
    "configuration": {
        "recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}
    },
    "include": ["configuration.recipient", "identity", "requirements", "defaults"],
}
EXPRESS: Json = {
    "controller": {
        "fees": {"payer": "application"},
        "losses": {"payments": "application"},
        "stripe_dashboard": {"type": "express"},
    },
    "country": "US",
    "email": "jenny@example.com",
    "capabilities": {"transfers": {"requested": True}},
}
BANK: Json = {
    "object": "bank_account",
    "country": "US",
    "currency": "usd",
    "routing_number": "110000000",
    "account_number": "000123456789",
}
LINK: Json = {
    "type": "account_onboarding",
    "refresh_url": "http://localhost/refresh",
    "return_url": "http://localhost/return",
}


@pytest.fixture
def client(running: Running) -> Json:
    """The client without its types: nearly every field of Stripe's is Optional in them."""
    return running.client


@pytest.fixture
async def payee(running: Running, client: Json) -> str:
    """A connected account that can receive transfers and pay out."""
    account = await client.v1.accounts.create_async(EXPRESS)
    await running.control("POST", f"accounts/{account.id}/onboard")
    return str(account.id)


async def charged(
    running: Running, amount: int = 10_000, card: str = "pm_card_visa", settled: bool = True
) -> Json:
    """A succeeded charge, with its balance transaction unless `settled` is false."""
    client: Json = running.client
    intent = await client.v1.payment_intents.create_async(
        {
            "amount": amount,
            "currency": "usd",
            "payment_method": card,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "confirm": True,
            "transfer_group": "escrow_1",
        }
    )
    if settled:
        await running.advance(5)
    return await client.v1.charges.retrieve_async(intent.latest_charge)


async def balances(running: Running, account: str | None = None) -> tuple[int, int]:
    """(available, pending) in usd, of the platform or of a connected account."""
    client: Json = running.client
    options = {"stripe_account": account} if account else {}
    held = await client.v1.balance.retrieve_async(None, options)
    return held.available[0].amount, held.pending[0].amount


async def funded_payee(running: Running, account_number: str = "000123456789") -> str:
    """An onboarded account on a manual schedule with 80.00 available."""
    client: Json = running.client
    account = await client.v1.accounts.create_async(EXPRESS)
    await running.control("POST", f"accounts/{account.id}/onboard", account_number=account_number)
    settings = await client.v1.balance_settings.update_async(
        {"payments": {"payouts": {"schedule": {"interval": "manual"}}}},
        {"stripe_account": account.id},
    )
    assert settings.payments.payouts.schedule.interval == "manual"
    charge = await charged(running, card="pm_card_bypassPending")
    await client.v1.transfers.create_async(
        {
            "amount": 8000,
            "currency": "usd",
            "destination": account.id,
            "source_transaction": charge.id,
        }
    )
    return str(account.id)


async def payee_in(running: Running, country: str, currency: str | None = None) -> str:
    """An onboarded account with a bank account in its country's currency, or in another one."""
    client: Json = running.client
    asked = {"default_currency": currency} if currency else {}
    account = await client.v1.accounts.create_async({**EXPRESS, "country": country, **asked})
    await running.control("POST", f"accounts/{account.id}/onboard")
    return str(account.id)


async def payment_of(running: Running, transfer: Json) -> Json:
    """The destination's payment of a transfer, with its balance transaction."""
    client: Json = running.client
    return await client.v1.charges.retrieve_async(
        transfer.destination_payment,
        {"expand": ["balance_transaction"]},
        {"stripe_account": transfer.destination},
    )


async def sums(running: Running, account: str | None = None) -> dict[str, int]:
    """What an account, or the platform, has by currency; the books must agree."""
    books = await running.books()
    return dict(books["accounts"][account or running.sandbox.platform]["sum_of_net"])


def transfers_status(account: Json) -> str:
    """How v2 shows the readiness of a recipient."""
    balance = account.configuration.recipient.capabilities.stripe_balance
    return str(balance.stripe_transfers.status)
