"""CreatePayee: a payee, and their connected account at Stripe."""

import pytest

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import AN_ID, Marketplace

APIS = [party_pb.ACCOUNT_API_V1, party_pb.ACCOUNT_API_V2]
SCHEDULE = "/v1/balance_settings"


def payee_request(
    account_api: party_pb.AccountApi.ValueType = party_pb.ACCOUNT_API_UNSPECIFIED,
) -> party_pb.CreatePayeeRequest:
    return party_pb.CreatePayeeRequest(
        request_id=new_request_id(),
        reference="u-2",
        name="Bob Payee",
        email="bob@example.com",
        country="US",
        account_api=account_api,
    )


@pytest.mark.parametrize("account_api", APIS)
async def test_from_nothing_to_ready(
    market: Marketplace, account_api: party_pb.AccountApi.ValueType
) -> None:
    payee = (await market.service.parties.CreatePayee(payee_request(account_api))).payee

    assert payee.id.startswith("pye_")
    assert payee.stripe_account.startswith("acct_")
    assert payee.account_api == account_api
    assert payee.state == party_pb.PAYEE_STATE_ONBOARDING
    assert payee.requirements_due
    assert list(payee.balances) == []

    ready = await market.onboard(payee)

    assert ready.state == party_pb.PAYEE_STATE_ACTIVE
    assert list(ready.requirements_due) == []
    assert ready.etag != payee.etag


async def test_accounts_are_made_by_v2_unless_asked_otherwise(market: Marketplace) -> None:
    payee = (await market.service.parties.CreatePayee(payee_request())).payee

    assert payee.account_api == party_pb.ACCOUNT_API_V2


@pytest.mark.parametrize("account_api", APIS)
async def test_stripe_pays_out_only_when_told(
    market: Marketplace, account_api: party_pb.AccountApi.ValueType
) -> None:
    payee = (await market.service.parties.CreatePayee(payee_request(account_api))).payee
    await market.work()

    headers = {"Authorization": "Bearer sk_test_x", "Stripe-Account": payee.stripe_account}
    url = market.sandbox.url + SCHEDULE
    async with market.sandbox.http.get(url, headers=headers) as answer:
        settings = await answer.json()
    assert settings["payments"]["payouts"]["schedule"]["interval"] == "manual"


async def test_a_reference_is_one_payee(market: Marketplace) -> None:
    payee = (await market.service.parties.CreatePayee(payee_request())).payee

    async with market.refuses("ALREADY_EXISTS") as refusal:
        await market.service.parties.CreatePayee(payee_request())
    assert refusal.metadata == {"payee_id": payee.id}


@pytest.mark.parametrize("account_api", APIS)
@pytest.mark.parametrize(
    ("kind", "times"), [("cut_before_effect", 3), ("cut_after_effect", 3), ("status", 1)]
)
async def test_an_answer_that_is_lost_is_looked_up(
    market: Marketplace, kind: str, times: int, account_api: party_pb.AccountApi.ValueType
) -> None:
    request = payee_request(account_api)
    await market.sandbox.fail_next("/v", kind, times=times)

    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.CreatePayee(request)
    await market.patience()
    payee = (await market.service.parties.CreatePayee(request)).payee

    (account,) = await market.sandbox.objects("/v1/accounts")
    assert payee.stripe_account == account["id"]


async def test_a_restriction_that_stripe_tells_is_known(market: Marketplace) -> None:
    payee = await market.new_payee()
    path = f"accounts/{payee.stripe_account}/restrict"

    await market.sandbox.control(path)
    await market.settle()
    restricted = await market.find_payee(payee)
    assert restricted.state != party_pb.PAYEE_STATE_ACTIVE
    assert restricted.requirements_due

    await market.sandbox.control(path, lifted=True)
    await market.settle()
    assert (await market.find_payee(payee)).state == party_pb.PAYEE_STATE_ACTIVE


async def test_there_is_no_such_payee(market: Marketplace) -> None:
    async with market.refuses("PAYEE_MISSING"):
        await market.find_payee(party_pb.Payee(id=f"pye_{AN_ID}"))


@pytest.mark.parametrize("account_api", APIS)
async def test_what_stripe_has_refused_is_asked_again_under_a_new_key(
    market: Marketplace, account_api: party_pb.AccountApi.ValueType
) -> None:
    request = payee_request(account_api)
    await market.sandbox.fail_next("/v", "stored_error", effect=False)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.service.parties.CreatePayee(request)
    await market.patience()

    async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
        await market.service.parties.CreatePayee(request)
    assert refusal.metadata["code"] == "stored_failure"
    payee = (await market.service.parties.CreatePayee(request)).payee

    assert payee.state == party_pb.PAYEE_STATE_ONBOARDING
    (account,) = await market.sandbox.objects("/v1/accounts")
    assert payee.stripe_account == account["id"]
