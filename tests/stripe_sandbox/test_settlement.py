"""What an account can hold, and the settings that say so."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running, charge_in, posted
from tests.stripe_sandbox.connect.conftest import BANK, EXPRESS


async def test_by_default_every_currency_is_held_as_it_is(running: Running) -> None:
    assert await running.control("POST", "settings") == {
        "object": "settings",
        "capture_delay_ms": 1500,
        "settlement_currencies": None,
        "accounts_settle_in": "any_currency",
        "unsupported_countries": [],
    }
    charge = await charge_in(running, "eur", 10_500)
    assert posted(charge.balance_transaction) == (10_500, "eur", None)
    # Nothing is converted, so that no rate is needed.
    charge = await charge_in(running, "xpf", 10_500)
    assert posted(charge.balance_transaction) == (10_500, "xpf", None)


async def test_the_first_settlement_currency_is_the_default_one(running: Running) -> None:
    client: Json = running.client
    await running.hold("eur", "usd")
    await running.worth(gbp=1.27, eur=1.08)
    held = [("eur", (10_000, "eur", None)), ("usd", (10_000, "usd", None))]
    for currency, expected in [*held, ("gbp", (11_759, "eur", 1.17593))]:
        charge = await charge_in(running, currency, 10_000)
        assert (charge.amount, charge.currency) == (10_000, currency)
        assert posted(charge.balance_transaction) == expected
    account = await client.v1.accounts.retrieve_current_async()
    assert account.default_currency == "eur"
    assert {b.currency for b in account.external_accounts.data} == {"eur", "usd"}

    await running.control("POST", "settings", settlement_currencies=None)
    charge = await charge_in(running, "gbp", 10_000)
    assert posted(charge.balance_transaction) == (10_000, "gbp", None)


async def test_a_reset_forgets_the_settings(running: Running) -> None:
    await running.hold("usd")
    await running.control("POST", "reset")
    settings = await running.control("POST", "settings")
    assert (settings["settlement_currencies"], settings["accounts_settle_in"]) == (
        None,
        "any_currency",
    )
    charge = await charge_in(running, "eur", 10_500)
    assert posted(charge.balance_transaction) == (10_500, "eur", None)


@pytest.mark.parametrize(
    "body", ['{"settlement_currencies": ["euro"]}', '{"accounts_settle_in": "dollars"}']
)
async def test_settings_that_make_no_sense_are_refused(running: Running, body: str) -> None:
    async with running.http.post(f"{running.url}/_sandbox/settings", data=body) as answer:
        assert answer.status == 400
    assert (await running.control("POST", "settings"))["settlement_currencies"] is None


async def test_a_connected_account_holds_the_currencies_of_its_bank_accounts(
    running: Running,
) -> None:
    client: Json = running.client
    account = await client.v1.accounts.create_async({**EXPRESS, "country": "DE"})
    await running.control("POST", f"accounts/{account.id}/onboard")

    async def charged() -> tuple[int, str, float | None]:
        intent = await client.v1.payment_intents.create_async(
            {
                "amount": 10_000,
                "currency": "usd",
                "payment_method": "pm_card_visa",
                "allowed_payment_method_types": ["card"],
                "capture_method": "automatic",
                "confirm": True,
                "expand": ["latest_charge.balance_transaction"],
            },
            {"stripe_account": account.id},
        )
        return posted(intent.latest_charge.balance_transaction)

    await running.control("POST", "settings", settlement_currencies=["usd"])
    assert await charged() == (10_000, "usd", None)  # connected accounts have their own setting
    await running.hold("usd")
    await running.worth(eur=1.25)
    assert await charged() == (8_000, "eur", 0.8)
    await client.v1.accounts.external_accounts.create_async(account.id, {"external_account": BANK})
    assert await charged() == (10_000, "usd", None)
    await running.books()


async def test_what_cannot_be_converted_cannot_be_charged(running: Running) -> None:
    await running.hold("usd")
    with pytest.raises(stripe.InvalidRequestError, match="no exchange rate for svc") as refused:
        await charge_in(running, "svc", 10_500)
    assert refused.value.param == "currency"
    with pytest.raises(stripe.InvalidRequestError, match="no exchange rate for svc"):
        await running.client.v1.payment_intents.create_async({"amount": 10_500, "currency": "svc"})
    await running.worth(svc=0.009)
    charge = await charge_in(running, "svc", 10_500)
    assert posted(charge.balance_transaction) == (95, "usd", 0.009)
