"""Connected accounts: v1 and v2 show one account, and onboarding makes it ready."""

import asyncio

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running

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


def transfers_status(account: Json) -> str:
    balance = account.configuration.recipient.capabilities.stripe_balance
    return str(balance.stripe_transfers.status)


async def test_v2_and_v1_show_the_same_account(running: Running, client: Json) -> None:
    created = await client.v2.core.accounts.create_async(RECIPIENT)
    assert created.applied_configurations == ["recipient"]
    assert transfers_status(created) == "restricted"
    assert created.identity is not None
    assert created.identity.country == "US"
    assert {e.description for e in created.requirements.entries} >= {"defaults.payout_methods"}

    v1 = await client.v1.accounts.retrieve_async(created.id)
    assert (v1.email, v1.country, v1.payouts_enabled) == ("jenny@example.com", "US", False)
    assert v1.capabilities.transfers == "inactive"
    assert v1.controller.losses.payments == "application"
    assert "external_account" in v1.requirements.currently_due

    await running.control("POST", f"accounts/{created.id}/onboard")

    ready = await client.v2.core.accounts.retrieve_async(
        created.id, {"include": ["configuration.recipient", "requirements"]}
    )
    assert transfers_status(ready) == "active"
    assert ready.requirements.entries == []
    v1 = await client.v1.accounts.retrieve_async(created.id)
    assert (v1.capabilities.transfers, v1.payouts_enabled) == ("active", True)
    updated = await running.receiver.wait_for("account.updated")
    assert updated[0]["account"] == created.id
    assert updated[0]["data"]["previous_attributes"]["payouts_enabled"] is False
    capability = await running.receiver.wait_for("capability.updated")
    assert capability[0]["data"]["object"]["status"] == "active"


async def test_v2_answers_only_what_is_included(client: Json) -> None:
    created = await client.v2.core.accounts.create_async({**RECIPIENT, "include": []})
    assert created.configuration is None
    assert created.identity is None
    assert created.requirements is None
    retrieved = await client.v2.core.accounts.retrieve_async(created.id, {"include": ["identity"]})
    assert retrieved.configuration is None
    assert retrieved.identity.entity_type == "individual"


async def test_v2_lists_updates_and_closes(client: Json) -> None:
    accounts = client.v2.core.accounts
    ids = [(await accounts.create_async(RECIPIENT)).id for _ in range(3)]
    page = await accounts.list_async({"limit": 2, "applied_configurations": ["recipient"]})
    assert [account.id for account in page.data] == [ids[2], ids[1]]
    everyone = [account.id async for account in page.auto_paging_iter()]
    assert everyone == [ids[2], ids[1], ids[0]]

    renamed = await accounts.update_async(
        ids[0], {"display_name": "J. Rosen", "metadata": {"payee": "p1"}}
    )
    assert (renamed.display_name, renamed.metadata.to_dict()) == ("J. Rosen", {"payee": "p1"})

    closed = await accounts.close_async(ids[0], {"applied_configurations": ["recipient"]})
    assert closed.closed is True
    assert [a.id for a in (await accounts.list_async({"closed": True})).data] == [ids[0]]
    assert ids[0] not in [a.id for a in (await accounts.list_async()).data]


async def test_v1_express_account_is_completed_through_the_api(client: Json) -> None:
    accounts = client.v1.accounts
    account = await accounts.create_async(EXPRESS)
    assert account.capabilities.transfers == "inactive"
    await accounts.update_async(
        account.id,
        {
            "business_type": "individual",
            "individual": {"first_name": "Jenny", "last_name": "Rosen"},
            "tos_acceptance": {"date": 1_800_000_000, "ip": "127.0.0.1"},
            "metadata": {"payee": "p1"},
            "settings": {"payouts": {"schedule": {"interval": "manual"}}},
        },
    )
    identified = await accounts.retrieve_async(account.id)
    assert (identified.capabilities.transfers, identified.payouts_enabled) == ("active", False)
    assert identified.requirements.currently_due == ["external_account"]

    bank = await accounts.external_accounts.create_async(account.id, {"external_account": BANK})
    assert (bank.last4, bank.default_for_currency) == ("6789", True)
    ready = await accounts.retrieve_async(account.id)
    assert ready.payouts_enabled
    assert ready.external_accounts.data[0].id == bank.id
    assert ready.settings.payouts.schedule.interval == "manual"
    assert [a.id for a in (await accounts.list_async({"limit": 5})).data] == [account.id]


async def test_external_accounts(client: Json) -> None:
    account = await client.v1.accounts.create_async(
        {**EXPRESS, "external_account": "btok_us_verified"}
    )
    banks = client.v1.accounts.external_accounts
    first = (await banks.list_async(account.id)).data[0]
    second = await banks.create_async(
        account.id, {"external_account": {**BANK, "account_number": "000111111116"}}
    )
    assert not second.default_for_currency
    with pytest.raises(stripe.InvalidRequestError, match="default external account"):
        await banks.delete_async(account.id, first.id)
    await banks.update_async(account.id, second.id, {"default_for_currency": True})
    deleted = await banks.delete_async(account.id, first.id)
    assert deleted.deleted
    assert [bank.id for bank in (await banks.list_async(account.id)).data] == [second.id]
    with pytest.raises(stripe.InvalidRequestError, match="No such"):
        await banks.retrieve_async(account.id, first.id)
    with pytest.raises(stripe.InvalidRequestError, match="No such token"):
        await banks.create_async(account.id, {"external_account": "btok_unknown"})


async def test_capabilities(client: Json) -> None:
    account = await client.v1.accounts.create_async({"type": "express"})
    capabilities = client.v1.accounts.capabilities
    assert (await capabilities.list_async(account.id)).data == []
    requested = await capabilities.update_async(account.id, "transfers", {"requested": True})
    assert (requested.status, requested.requested) == ("inactive", True)
    assert [c.id for c in (await capabilities.list_async(account.id)).data] == ["transfers"]
    assert (await capabilities.retrieve_async(account.id, "transfers")).status == "inactive"
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await capabilities.update_async(account.id, "teleportation", {"requested": True})
    assert refusal.value.code == "resource_missing"


async def test_restrict_reject_delete(running: Running, client: Json) -> None:
    accounts = client.v1.accounts
    account = await accounts.create_async(EXPRESS)
    await running.control("POST", f"accounts/{account.id}/onboard")
    await running.control("POST", f"accounts/{account.id}/restrict")
    restricted = await accounts.retrieve_async(account.id)
    assert (restricted.capabilities.transfers, restricted.payouts_enabled) == ("inactive", False)
    assert restricted.requirements.past_due == ["individual.id_number"]
    await running.control("POST", f"accounts/{account.id}/restrict", lifted=True)
    assert (await accounts.retrieve_async(account.id)).payouts_enabled

    await accounts.reject_async(account.id, {"reason": "fraud_other"})
    rejected = await client.v2.core.accounts.retrieve_async(
        account.id, {"include": ["configuration.recipient"]}
    )
    assert transfers_status(rejected) == "rejected"

    assert (await accounts.delete_async(account.id)).deleted
    for read in (
        accounts.retrieve_async(account.id),
        client.v1.balance.retrieve_async(None, {"stripe_account": account.id}),
    ):
        with pytest.raises(stripe.PermissionError):
            await read


async def test_the_platforms_own_account(running: Running, client: Json) -> None:
    own = await client.v1.accounts.retrieve_current_async()
    assert own.id == running.sandbox.platform
    assert own.payouts_enabled
    assert (await client.v1.accounts.list_async()).data == []


async def test_unknown_parameters_are_refused(client: Json) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.accounts.create_async({"emial": "a@example.com"})
    assert (refusal.value.code, refusal.value.param) == ("parameter_unknown", "emial")
    with pytest.raises(stripe.InvalidRequestError, match="simultaneously"):
        await client.v1.accounts.create_async({**EXPRESS, "type": "express"})


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


async def test_twenty_accounts_at_once_are_twenty_accounts(client: Json) -> None:
    created = await asyncio.gather(*(client.v1.accounts.create_async(EXPRESS) for _ in range(20)))
    assert len({account.id for account in created}) == 20
