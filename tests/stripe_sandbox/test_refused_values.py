"""E-mail addresses and countries are refused as Stripe refuses them, with its codes."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running
from tests.stripe_sandbox.connect.conftest import EXPRESS, RECIPIENT

BAD_EMAILS = ("ann", "ann@example", "zoë@example.com", "a..b@example.com", "ann@exa_mple.com")


def code_of(error: stripe.StripeError) -> str | None:
    return error.code or getattr(error.error, "code", None)


@pytest.mark.parametrize("email", BAD_EMAILS)
async def test_an_address_that_is_none(running: Running, email: str) -> None:
    client: Json = running.client  # without its types, which know what is wrong here
    v1, v2 = client.v1, client.v2.core.accounts
    customer = await v1.customers.create_async({"email": "ann@example.com"})
    account = await v1.accounts.create_async(EXPRESS)
    asked = (
        ("email", v1.customers.create_async({"email": email})),
        ("email", v1.customers.update_async(customer.id, {"email": email})),
        ("email", v1.accounts.create_async({**EXPRESS, "email": email})),
        ("email", v1.accounts.update_async(account.id, {"email": email})),
        ("contact_email", v2.create_async({**RECIPIENT, "contact_email": email})),
        ("contact_email", v2.update_async(account.id, {"contact_email": email})),
    )
    for param, request in asked:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await request
        assert (code_of(caught.value), caught.value.param) == ("email_invalid", param)
    kept = await v1.customers.retrieve_async(customer.id)
    assert kept.email == "ann@example.com"
    assert len((await v1.customers.list_async()).data) == 1


@pytest.mark.parametrize(
    ("country", "code"),
    [
        ("Germany", "country_code_invalid"),
        ("KP", "country_unsupported"),
        ("XX", "country_unsupported"),
    ],
)
async def test_a_country_where_stripe_makes_no_account(
    running: Running, country: str, code: str
) -> None:
    client: Json = running.client  # without its types, which know what is wrong here
    v1, v2 = client.v1, client.v2.core.accounts
    asked = (
        v1.accounts.create_async({**EXPRESS, "country": country}),
        v2.create_async({**RECIPIENT, "identity": {"country": country}}),
    )
    for request in asked:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await request
        assert code_of(caught.value) == code
    assert (await v1.accounts.list_async()).data == []


async def test_a_country_that_this_platform_may_not_connect(running: Running) -> None:
    client: Json = running.client
    accounts = client.v1.accounts
    await running.control("POST", "settings", unsupported_countries=["BR"])

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await accounts.create_async({**EXPRESS, "country": "BR"})
    assert code_of(caught.value) == "country_unsupported"

    await running.control("POST", "settings", unsupported_countries=[])
    assert (await accounts.create_async({**EXPRESS, "country": "BR"})).country == "BR"


async def test_the_country_of_an_account_stays(running: Running) -> None:
    client: Json = running.client
    accounts = client.v2.core.accounts
    account = await accounts.create_async(RECIPIENT)

    with pytest.raises(stripe.InvalidRequestError):
        await accounts.update_async(account.id, {"identity": {"country": "de"}})


async def test_an_account_that_was_taken_away_is_refused_in_every_call(running: Running) -> None:
    client: Json = running.client
    v1, v2 = client.v1, client.v2.core
    account = (await v1.accounts.create_async(EXPRESS)).id
    await running.control("POST", f"accounts/{account}/deauthorize")
    urls = {"return_url": "https://a.example/", "refresh_url": "https://a.example/"}
    of_it = {"stripe_account": account}
    asked = (
        v1.accounts.retrieve_async(account),
        v1.accounts.update_async(account, {"email": "ann@example.com"}),
        v1.account_links.create_async({"account": account, "type": "account_onboarding", **urls}),
        v1.balance.retrieve_async({}, of_it),
        v1.payouts.create_async({"amount": 100, "currency": "usd"}, of_it),
        v1.balance_settings.retrieve_async({}, of_it),
        v2.accounts.retrieve_async(account),
        v2.accounts.update_async(account, {"display_name": "Ann"}),
    )
    for request in asked:
        with pytest.raises(stripe.PermissionError) as caught:
            await request
        assert (caught.value.http_status, code_of(caught.value)) == (403, "account_invalid")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await v1.transfers.create_async({"amount": 100, "currency": "usd", "destination": account})
    assert code_of(refused.value) == "resource_missing"
