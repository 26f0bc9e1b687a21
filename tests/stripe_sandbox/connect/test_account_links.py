"""Onboarding and the dashboard in a browser, behind links that expire and work once."""

import pytest
import stripe

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
