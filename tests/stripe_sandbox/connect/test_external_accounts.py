"""Bank accounts: attached, listed, made the default, deleted."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.connect.conftest import BANK, EXPRESS


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
