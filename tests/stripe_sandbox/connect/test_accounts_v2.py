"""Accounts through v2: the same accounts as v1 shows, in parts that have to be asked for."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running
from tests.stripe_sandbox.connect.conftest import RECIPIENT, transfers_status


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


async def test_v2_account_is_identified_through_the_api(running: Running, client: Json) -> None:
    accounts = client.v2.core.accounts
    account = await accounts.create_async({**RECIPIENT, "contact_phone": "+15555550100"})
    identified = await accounts.update_async(
        account.id,
        {
            "identity": {
                "individual": {
                    "given_name": "Jenny",
                    "surname": "Rosen",
                    "date_of_birth": {"day": 1, "month": 2, "year": 1990},
                    "id_numbers": [{"type": "us_ssn", "value": "000000000"}],
                },
                "attestations": {
                    "terms_of_service": {
                        "account": {"date": "2026-11-20T12:00:00Z", "ip": "127.0.0.1"}
                    }
                },
            },
            "include": ["identity", "requirements", "configuration.recipient"],
        },
    )
    person = identified.identity.individual.to_dict()
    assert (person["given_name"], person["date_of_birth"]["year"]) == ("Jenny", 1990)
    assert person["id_numbers"] == [{"type": "us_ssn"}]
    assert identified.contact_phone == "+15555550100"
    assert transfers_status(identified) == "active"
    assert [entry.description for entry in identified.requirements.entries] == [
        "defaults.payout_methods"
    ]
    assert (await client.v1.accounts.retrieve_async(account.id)).tos_acceptance.date == 1795176000
    with pytest.raises(stripe.InvalidRequestError, match="Invalid timestamp"):
        await accounts.update_async(
            account.id,
            {
                "identity": {
                    "attestations": {
                        "terms_of_service": {"account": {"date": "today", "ip": "127.0.0.1"}}
                    }
                }
            },
        )


async def test_v2_takes_a_configuration_away(running: Running, client: Json) -> None:
    account = await client.v2.core.accounts.create_async(RECIPIENT)
    await running.control("POST", f"accounts/{account.id}/onboard")
    updated = await client.v2.core.accounts.update_async(
        account.id, {"configuration": {"recipient": {"applied": False}}}
    )
    assert updated.applied_configurations == []
    assert (await client.v1.accounts.retrieve_async(account.id)).capabilities.to_dict() == {}


async def test_v2_refuses_what_it_does_not_know(client: Json) -> None:
    accounts = client.v2.core.accounts
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await accounts.create_async({**RECIPIENT, "email": "ann@example.com"})
    assert (refusal.value.code, refusal.value.param) == ("parameter_unknown", "email")
    with pytest.raises(stripe.InvalidRequestError, match="contact_email is required"):
        await accounts.create_async({"dashboard": "express"})
    with pytest.raises(stripe.InvalidRequestError, match="Stripe balance only"):
        await accounts.create_async(
            {"configuration": {"recipient": {"capabilities": {"cards": {"requested": True}}}}}
        )
