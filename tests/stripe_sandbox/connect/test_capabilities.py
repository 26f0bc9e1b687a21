"""Capabilities through v1."""

import pytest
import stripe

from stripe_sandbox.store import Json


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
