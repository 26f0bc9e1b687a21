"""Accounts through v1: known facts make them ready, restrictions undo that."""

import asyncio

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running
from tests.stripe_sandbox.connect.conftest import BANK, EXPRESS, transfers_status


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

    events = len((await running.control("GET", "events"))["data"])
    await running.control("POST", f"accounts/{account.id}/restrict", silently=True)
    assert not (await accounts.retrieve_async(account.id)).payouts_enabled
    assert len((await running.control("GET", "events"))["data"]) == events
    await running.control("POST", f"accounts/{account.id}/restrict", lifted=True)

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
    seen_by_v2 = await client.v2.core.accounts.retrieve_async(own.id, {"include": ["defaults"]})
    assert seen_by_v2.defaults.currency == "usd"
    assert (await client.v1.accounts.list_async()).data == []


async def test_unknown_parameters_are_refused(client: Json) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.accounts.create_async({"emial": "a@example.com"})
    assert (refusal.value.code, refusal.value.param) == ("parameter_unknown", "emial")
    with pytest.raises(stripe.InvalidRequestError, match="simultaneously"):
        await client.v1.accounts.create_async({**EXPRESS, "type": "express"})


async def test_twenty_accounts_at_once_are_twenty_accounts(client: Json) -> None:
    created = await asyncio.gather(*(client.v1.accounts.create_async(EXPRESS) for _ in range(20)))
    assert len({account.id for account in created}) == 20


async def test_a_deauthorized_account_is_out_of_reach(running: Running, client: Json) -> None:
    account = await client.v1.accounts.create_async(EXPRESS)
    await running.control("POST", f"accounts/{account.id}/deauthorize")
    events = await running.receiver.wait_for("account.application.deauthorized")
    assert (events[0]["account"], events[0]["data"]["object"]["object"]) == (
        account.id,
        "application",
    )
    with pytest.raises(stripe.PermissionError):
        await client.v1.accounts.retrieve_async(account.id)
