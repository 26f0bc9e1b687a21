"""Onboarding and the dashboard in a browser, behind links that expire and work once."""

import pytest
import stripe

from stripe_sandbox.connect.bank_details import BY_COUNTRY, BankDetails
from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running
from tests.stripe_sandbox.connect.conftest import EXPRESS, LINK, RECIPIENT


async def test_onboarding_in_a_browser(running: Running, client: Json) -> None:
    account = await client.v1.accounts.create_async(EXPRESS)
    link = await client.v1.account_links.create_async({**LINK, "account": account.id})
    async with running.http.get(link.url) as page:
        assert page.status == 200
        assert 'name="legal_name"' in await page.text()
    async with running.http.post(link.url, data={"legal_name": " "}, allow_redirects=False) as page:
        assert page.status == 400
        assert "Enter your legal name" in await page.text()
    answers = {"legal_name": "Jenny <b>Rosen", "account_number": "!", "routing_number": "110000000"}
    async with running.http.post(link.url, data=answers, allow_redirects=False) as page:
        assert page.status == 400
        assert "Jenny &lt;b&gt;Rosen" in await page.text()
    answers["account_number"] = "000123456789"
    async with running.http.post(link.url, data=answers, allow_redirects=False) as page:
        assert (page.status, page.headers["Location"]) == (303, LINK["return_url"])

    ready = await client.v1.accounts.retrieve_async(account.id)
    assert (ready.details_submitted, ready.payouts_enabled) == (True, True)
    assert ready.capabilities.transfers == "active"
    for send in (running.http.get, running.http.post):
        async with send(link.url, allow_redirects=False) as page:
            assert (page.status, page.headers["Location"]) == (303, LINK["refresh_url"])


BANKS = {
    "US": ("Routing number", "110000000", "Account number", "000123456789", "!"),
    "GB": ("Sort code", "108800", "Account number", "00012345", "!"),
    "DE": ("", "", "IBAN", "DE89370400440532013000", "000123456789"),
    "SE": ("", "", "IBAN", "SE3550000000054910000003", "000123456789"),
    "JP": ("Bank and branch code", "1100000", "Account number", "0001234", "!"),
    "MX": ("", "", "CLABE", "000000001234567897", "!"),
}


@pytest.mark.parametrize("country", BANKS)
async def test_the_bank_details_are_those_of_the_country(
    running: Running, client: Json, country: str
) -> None:
    routing_label, routing, label, number, wrong = BANKS[country]
    account = await client.v1.accounts.create_async({**EXPRESS, "country": country})
    link = await client.v1.account_links.create_async({**LINK, "account": account.id})
    async with running.http.get(link.url) as page:
        shown = await page.text()
    assert f"{label} <input" in shown
    assert ("routing_number" in shown) == bool(routing_label)
    assert routing_label in shown

    typed = {"legal_name": "Kim Lee"} | ({"routing_number": routing} if routing else {})
    refused = typed | {"account_number": wrong}
    async with running.http.post(link.url, data=refused, allow_redirects=False) as page:
        assert page.status == 400
        assert f'value="{wrong}"' in await page.text()
    taken = typed | {"account_number": number}
    async with running.http.post(link.url, data=taken, allow_redirects=False) as page:
        assert page.status == 303

    [bank] = (await client.v1.accounts.external_accounts.list_async(account.id)).data
    assert (bank.country, bank.last4) == (country, number[-4:])
    assert bank.currency == account.default_currency


@pytest.mark.parametrize("country", sorted(BY_COUNTRY))
async def test_an_account_is_ready_with_the_test_number_of_its_country(
    running: Running, client: Json, country: str
) -> None:
    account = await client.v1.accounts.create_async({**EXPRESS, "country": country})
    await running.control("POST", f"accounts/{account.id}/onboard")
    assert (await client.v1.accounts.retrieve_async(account.id)).payouts_enabled


@pytest.mark.parametrize("details", [each for each in BY_COUNTRY.values() if each.is_iban])
def test_the_ibans_are_real_ones(details: BankDetails) -> None:
    iban = details.account_number
    digits = "".join(str(int(character, 36)) for character in iban[4:] + iban[:4])
    assert int(digits) % 97 == 1


async def test_an_account_link_expires_on_the_virtual_clock(running: Running, client: Json) -> None:
    account = await client.v2.core.accounts.create_async(RECIPIENT)
    link = await client.v2.core.account_links.create_async(
        {
            "account": account.id,
            "use_case": {
                "type": "account_onboarding",
                "account_onboarding": {
                    "refresh_url": LINK["refresh_url"],
                    "return_url": LINK["return_url"],
                },
            },
        }
    )
    assert link.account == account.id
    await running.advance(301)
    async with running.http.get(link.url, allow_redirects=False) as page:
        assert (page.status, page.headers["Location"]) == (303, LINK["refresh_url"])


async def test_login_link(running: Running, client: Json) -> None:
    account = await client.v1.accounts.create_async(EXPRESS)
    with pytest.raises(stripe.InvalidRequestError, match="not completed onboarding"):
        await client.v1.accounts.login_links.create_async(account.id)
    await running.control("POST", f"accounts/{account.id}/onboard")
    link = await client.v1.accounts.login_links.create_async(account.id)
    async with running.http.get(link.url) as page:
        assert "Express dashboard" in await page.text()
